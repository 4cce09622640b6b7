"""JSON and XML: text to values and back."""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import ParseError  # nosec - only the name of the error
from xml.sax.saxutils import escape, quoteattr  # nosec - writes, never reads

import msgspec
import orjson
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from reactor.connectors.data.actions import bounded
from reactor.sdk import PermanentError

DEPTH_LIMIT = 200
ELEMENT_LIMIT = 500_000
_NAME = re.compile(r"[^\W\d][\w.-]*(:[^\W\d][\w.-]*)?")
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def parse_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        PermanentError: kind `input`, with line and column.
    """
    try:
        return orjson.loads(bounded("parse", text).removeprefix("\ufeff"))
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise PermanentError("input", f"parse: {error.msg} at {where}: {_near(text, error.pos)!r}") from error


def _near(text: str, position: int) -> str:
    return text[max(0, position - 15) : position + 15]


def format_json(value: Any, *, indent: bool, sort_keys: bool) -> str:
    """The value as a JSON text.

    Raises:
        PermanentError: kind `input`: too long, too deep, or not a JSON value.
    """
    options = orjson.OPT_INDENT_2 * indent | orjson.OPT_SORT_KEYS * sort_keys
    try:
        return bounded("format", orjson.dumps(value, option=options).decode())
    except TypeError as error:  # half a surrogate pair, an integer of more than 64 bits, too deep
        raise PermanentError("input", f"format: {error}") from error


def parse_xml(text: str, *, namespaces: bool) -> dict[str, Any]:
    """An XML text as maps; `data.xml` says how.

    Raises:
        PermanentError: kind `input`: not XML, a DTD or entities in it, too deep or too large.
    """
    builder = _Builder(namespaces=namespaces)
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    content = bounded("parse", text).lstrip("\ufeff")
    content = re.sub(r"""^(<\?xml[^>]*?)\s+encoding\s*=\s*("[^"]*"|'[^']*')""", r"\1", content)  # it is text by now
    try:
        parser.feed(content)
        parser.close()
    except ParseError as error:
        raise PermanentError("input", f"parse: not well-formed XML: {error}") from error
    except DefusedXmlException as error:
        raise PermanentError("input", f"parse: DTDs and entities are refused ({type(error).__name__})") from error
    except (ValueError, UnicodeError) as error:
        raise PermanentError("input", f"parse: {error}") from error
    return builder.root


class _Builder:
    """Takes the parser's calls and makes maps, element by element."""

    def __init__(self, *, namespaces: bool) -> None:
        self._namespaces = namespaces
        self._open: list[tuple[str, dict[str, Any], list[str]]] = [("", {}, [])]
        self._count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) > DEPTH_LIMIT:
            raise PermanentError("input", f"parse: more than {DEPTH_LIMIT} elements inside one another")
        if self._count > ELEMENT_LIMIT:
            raise PermanentError("input", f"parse: more than {ELEMENT_LIMIT:,} elements")
        content = {f"@{self._name(name)}": value for name, value in attributes.items()}
        self._open.append((self._name(tag), content, []))

    def data(self, text: str) -> None:
        self._open[-1][2].append(text)

    def end(self, tag: str) -> None:
        name, content, texts = self._open.pop()
        text = "".join(texts)
        if content and (text := text.strip()):
            content["#text"] = text
        value: Any = content or (text if text.strip() else None)
        above = self._open[-1][1]
        if name not in above:
            above[name] = value
        elif isinstance(above[name], list):
            above[name].append(value)
        else:
            above[name] = [above[name], value]

    def close(self) -> None:
        """All has been said."""

    @property
    def root(self) -> dict[str, Any]:
        """The map with the root element as its one key."""
        return self._open[0][1]

    def _name(self, name: str) -> str:
        return name if self._namespaces else name.rpartition("}")[2]


def format_xml(value: Any) -> str:
    """Maps as an XML text.

    Raises:
        PermanentError: kind `input`: not one root, a name that is none, a character that XML cannot hold.
    """
    if not isinstance(value, dict) or len(value) != 1:
        raise PermanentError("input", "format: a map with one key, the root element, is wanted")
    ((name, content),) = value.items()
    if isinstance(content, list):
        raise PermanentError("input", f"format: there is one root element, so {name!r} cannot be a list")
    out: list[str] = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    _write(out, name, content, 1)
    return bounded("format", "".join(out))


def _write(out: list[str], name: str, value: Any, depth: int) -> None:
    if depth > DEPTH_LIMIT:
        raise PermanentError("input", f"format: more than {DEPTH_LIMIT} elements inside one another")
    if len(out) > ELEMENT_LIMIT * 4:
        raise PermanentError("input", f"format: more than {ELEMENT_LIMIT:,} elements")
    if isinstance(value, list):
        for item in value:
            _write(out, name, item, depth + 1)
        return
    content = value if isinstance(value, dict) else {"#text": value}
    namespace, plain = _split(name)
    attributes = "".join(_attribute(key[1:], each) for key, each in content.items() if key.startswith("@"))
    out.append(f"<{plain}{namespace}{attributes}")
    start = len(out)
    out.append(">")
    text = content.get("#text")
    if text is not None:
        out.append(escape(_text(text)))
    for key, each in content.items():
        if not key.startswith("@") and key != "#text":
            _write(out, key, each, depth + 1)
    if len(out) == start + 1:
        out[start] = "/>"
    else:
        out.append(f"</{plain}>")


def _split(name: str) -> tuple[str, str]:
    """`{uri}name` as a default namespace and a name."""
    if name.startswith("{"):
        uri, _, plain = name[1:].partition("}")
        return f" xmlns={quoteattr(_text(uri))}", _checked(plain)
    return "", _checked(name)


def _attribute(name: str, value: Any) -> str:
    if name.startswith("{"):
        raise PermanentError("input", f"format: attributes with a namespace ({name[:100]!r}) cannot be written")
    return f" {_checked(name)}={quoteattr('' if value is None else _text(value))}"


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise PermanentError("input", f"format: {name[:100]!r} cannot be the name of an element or attribute")
    return name


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if wrong := _NOT_XML.search(text):
        raise PermanentError("input", f"format: XML cannot hold the character {wrong.group()!r}")
    return text
