"""The `data.*` actions: their parameters and outputs. The work is done in the modules beside this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, ParamSpec, TypeVar

import msgspec

from reactor.model import durations
from reactor.sdk import Action, ActionContext, Effect, PermanentError, action

TEXT_LIMIT = 10 * 1024 * 1024
"""Characters of a text that comes in, and of one that goes out."""
_OFF_THE_LOOP = 32_768
"""A text longer than this is worked on in a thread."""
_TIME_LIMIT = 60_000

P = ParamSpec("P")
R = TypeVar("R")


class JqParams(msgspec.Struct, forbid_unknown_fields=True):
    """A jq program and what it reads."""

    program: str
    """Code: values come in through `input` and `args`, never by `{{ … }}` in the program."""
    input: Any = None
    args: dict[str, Any] = {}
    """Values that the program knows as `$name`."""
    many: bool = False
    """The program may give any number of results; `output` is their list."""
    max_time: str | int | float = "5s"

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        _check_time(self.max_time)


class RegexParams(msgspec.Struct, forbid_unknown_fields=True):
    """A regular expression and a text."""

    pattern: str
    text: str
    op: Literal["match", "find_all", "replace", "split"] = "match"
    replacement: str | None = None
    r"""For `replace`; `\1` and `\g<name>` are the groups of the match."""
    flags: Annotated[str, msgspec.Meta(pattern="^[aimsx]*$")] = ""
    """Letters: i (ignore case), m (multi-line), s (dot takes line breaks), x (verbose), a (ASCII)."""
    limit: Annotated[int, msgspec.Meta(ge=0)] = 0
    """At most so many matches; 0: all (up to 100,000)."""
    max_time: str | int | float = "1s"

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if (self.op == "replace") != (self.replacement is not None):
            raise ValueError("`replacement` belongs to `op: replace`, and is needed there")
        _check_time(self.max_time)


class JsonParams(msgspec.Struct, forbid_unknown_fields=True):
    """One of `parse` and `format`."""

    parse: str | msgspec.UnsetType = msgspec.UNSET
    """A JSON text."""
    format: Any = msgspec.UNSET
    """Any value."""
    indent: bool = False
    """Two blanks a level."""
    sort_keys: bool = False

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        _either(self)


class CsvParams(msgspec.Struct, forbid_unknown_fields=True):
    """One of `parse` and `format`."""

    parse: str | msgspec.UnsetType = msgspec.UNSET
    """A CSV text."""
    format: list[dict[str, Any] | list[Any]] | msgspec.UnsetType = msgspec.UNSET
    """Rows: maps, or lists of cells."""
    header: bool | list[str] = True
    """Parsing: true: the first line names the columns; false: rows are lists; a list: the names. Formatting: whether
    (or which) names are written as the first line."""
    columns: list[str] | None = None
    """Formatting maps: which columns, in this order; default: all, in the order in which they are met."""
    delimiter: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] = ","
    quote: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] = '"'

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        _either(self)
        if self.delimiter in "\r\n\0" or self.quote in "\r\n\0" or self.delimiter == self.quote:
            raise ValueError("`delimiter` and `quote` are two different characters, and no line breaks")


class XmlParams(msgspec.Struct, forbid_unknown_fields=True):
    """One of `parse` and `format`."""

    parse: str | msgspec.UnsetType = msgspec.UNSET
    """An XML text."""
    format: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    """A map with one key, the root element."""
    namespaces: bool = False
    """Keep namespaces, names are then `{uri}name`; else they are left out."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        _either(self)


class HashParams(msgspec.Struct, forbid_unknown_fields=True):
    """One of `text` and `base64`."""

    text: str | msgspec.UnsetType = msgspec.UNSET
    """Hashed as UTF-8."""
    base64: str | msgspec.UnsetType = msgspec.UNSET
    """Bytes, in base64."""
    algorithm: Literal["sha256", "sha512", "sha1", "md5", "blake2b"] = "sha256"
    key: str | None = None
    """Makes an HMAC with this key."""
    encoding: Literal["hex", "base64"] = "hex"

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        _either(self, "text", "base64")


def _either(params: msgspec.Struct, one: str = "parse", other: str = "format") -> None:
    if (getattr(params, one) is msgspec.UNSET) == (getattr(params, other) is msgspec.UNSET):
        raise ValueError(f"give either `{one}` or `{other}`")


def _check_time(given: str | float) -> None:
    if not 0 < durations.parse(given) <= _TIME_LIMIT:
        raise ValueError(f"max_time: more than 0 and at most {durations.show(_TIME_LIMIT)}")


def bounded(name: str, text: str) -> str:
    """The text, if it is not too long.

    Raises:
        PermanentError: kind `input`.
    """
    if len(text) > TEXT_LIMIT:
        raise PermanentError("input", f"{name}: {len(text):,} characters, at most {TEXT_LIMIT:,} are taken")
    return text


async def _sized(size: int, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Small work at once, big work in a thread."""
    if size <= _OFF_THE_LOOP:
        return work(*args, **kwargs)
    import asyncio  # noqa: PLC0415 - keeps the import of connectors cheap

    return await asyncio.to_thread(work, *args, **kwargs)


@action("data.jq", params=JqParams, effect=Effect.PURE, literal=("program",))
async def jq(_ctx: ActionContext, params: JqParams) -> dict[str, Any]:
    """Run a jq program over `input`.

    Output: `{output}`: the program's one result, null if it has none; with `many: true` the list of all. It runs in a
    process of its own, without files or environment, within `max_time` (kind `timeout`) and 512 MB of memory (kind
    `data.memory`). A program that does not compile is an `input` error, one that ends in an error has kind `data.jq`.
    """
    from reactor.connectors.data import sandbox  # noqa: PLC0415 - keeps the import of connectors cheap

    seconds = durations.parse(params.max_time) / 1000
    results = await sandbox.jq(params.program, params.input, params.args, seconds)
    if params.many:
        return {"output": results}
    if len(results) > 1:
        raise PermanentError("data.jq", f"the program gave {len(results)} results; set `many: true`, or put it in [ ]")
    return {"output": results[0] if results else None}


@action("data.regex", params=RegexParams, effect=Effect.PURE)
async def regex(_ctx: ActionContext, params: RegexParams) -> dict[str, Any]:
    r"""Search a text with a regular expression (Python's syntax, and more: possessive quantifiers, `\p{…}`, …).

    Output of `op: match`: `{output, matched}`, the first match or null. A match is `{match start end groups named}`.
    `find_all`: `{output, count}`, a list of matches. `replace`: `{output, count}`, the new text and how many were
    replaced. `split`: `{output, count}`, the parts. It runs in a process of its own, within `max_time` (kind
    `timeout`) and 512 MB of memory (kind `data.memory`).
    """
    from reactor.connectors.data import sandbox  # noqa: PLC0415 - keeps the import of connectors cheap

    request = {
        "pattern": params.pattern,
        "how": params.op,
        "replacement": params.replacement or "",
        "flags": params.flags,
        "limit": params.limit,
    }
    output: dict[str, Any] = await sandbox.regex(request, params.text, durations.parse(params.max_time) / 1000)
    return output


@action("data.json", params=JsonParams, effect=Effect.PURE)
async def json(_ctx: ActionContext, params: JsonParams) -> dict[str, Any]:
    """Read a JSON text (`parse`), or write a value as JSON (`format`).

    Output: `{output}`, the value or the text.
    """
    from reactor.connectors.data import documents  # noqa: PLC0415 - keeps the import of connectors cheap

    if isinstance(params.parse, str):
        return {"output": await _sized(len(params.parse), documents.parse_json, params.parse)}
    return {"output": documents.format_json(params.format, indent=params.indent, sort_keys=params.sort_keys)}


@action("data.csv", params=CsvParams, effect=Effect.PURE)
async def csv(_ctx: ActionContext, params: CsvParams) -> dict[str, Any]:
    """Read a CSV text (`parse`), or write rows as CSV (`format`).

    Output of `parse`: `{output, columns, row_count}`: rows as maps from column to text (as lists with `header: false`;
    columns are then null). A short row is filled with null, a longer one is an error; empty lines are left out; nothing
    is guessed. Output of `format`: `{output, row_count}`: lines end with CRLF, null is empty, other values are JSON.
    """
    from reactor.connectors.data import tables  # noqa: PLC0415 - keeps the import of connectors cheap

    dialect = tables.Dialect(params.delimiter, params.quote)
    if isinstance(params.parse, str):
        return await _sized(len(params.parse), tables.parse, params.parse, params, dialect)
    rows = [] if isinstance(params.format, msgspec.UnsetType) else params.format
    return await _sized(len(rows) * 100, tables.format_rows, rows, params, dialect)


@action("data.xml", params=XmlParams, effect=Effect.PURE)
async def xml(_ctx: ActionContext, params: XmlParams) -> dict[str, Any]:
    """Read an XML text (`parse`), or write a map as XML (`format`).

    Output: `{output}`. An element is a map: its attributes as `@name`, its text as `#text`, its children by name, a
    list where a name comes more than once; an element with nothing but text is that text, an empty one is null.
    `<a id="1"><b>x</b><b/></a>` ⇄ `{a: {"@id": "1", b: ["x", null]}}`. Beside attributes and children, text loses its
    place and the blanks around it; comments are left out. DTDs and entities are refused.
    """
    from reactor.connectors.data import documents  # noqa: PLC0415 - keeps the import of connectors cheap

    if isinstance(params.parse, str):
        size = len(params.parse) * 10  # far slower than JSON
        return {"output": await _sized(size, documents.parse_xml, params.parse, namespaces=params.namespaces)}
    return {"output": documents.format_xml(params.format)}


@action("data.hash", params=HashParams, effect=Effect.PURE)
async def hash_(_ctx: ActionContext, params: HashParams) -> dict[str, Any]:
    """Digest of a text or of bytes; with `key` an HMAC.

    Output: `{output, algorithm}`, the digest in hex or base64.
    """
    from reactor.connectors.data import digests  # noqa: PLC0415 - keeps the import of connectors cheap

    if isinstance(params.text, str):
        content = bounded("text", params.text).encode("utf-8", "surrogatepass")
    else:
        content = digests.decode(bounded("base64", str(params.base64)))
    digest = await _sized(len(content), digests.digest, content, params.algorithm, params.key, params.encoding)
    return {"output": digest, "algorithm": params.algorithm}


ACTIONS: tuple[Action, ...] = (jq, regex, json, csv, xml, hash_)
