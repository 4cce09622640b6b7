"""Expressions as the rest of Reactor holds them: constants, expressions and texts, lists and maps of such."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from reactor.language.expressions.codegen import Code
from reactor.language.expressions.limits import Meter, OverLimit, Refusal
from reactor.language.expressions.missing import NeedsUnknown, unknown_of
from reactor.language.expressions.references import Path, Reference
from reactor.language.expressions.values import plain_text, to_json_value, truth
from reactor.model.errors import PermanentError, ReactorError

_SHOWN = 60
_SCALARS = frozenset({str, int, bool, type(None)})


class Compiled(Protocol):
    """What every class of this module offers: `reactor.model.flow.Expr`, and what it reads."""

    @property
    def source(self) -> str:
        """The text as written."""
        ...

    @property
    def names(self) -> frozenset[str]:
        """Top-level names it reads."""
        ...

    @property
    def references(self) -> tuple[Reference, ...]:
        """Every path it reads, with its place."""
        ...

    @property
    def paths(self) -> frozenset[Path]:
        """The paths of `references`."""
        ...

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """See `Expr`."""
        ...

    def run(self, scope: Mapping[str, Any], meter: Meter) -> Any:
        """As `evaluate`, on the budget of something larger."""
        ...


class Constant:
    """A value without expressions in it. It is handed out itself: data is never changed."""

    __slots__ = ("value",)
    names: frozenset[str] = frozenset()
    references: tuple[Reference, ...] = ()
    paths: frozenset[Path] = frozenset()

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def source(self) -> str:
        """The value as one line."""
        return plain_text(self.value)

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """The value."""
        return self.value

    def run(self, scope: Mapping[str, Any], meter: Meter) -> Any:
        """The value."""
        return self.value


class Expression:
    """One text, compiled: an expression that keeps its type, or a text with values in it."""

    __slots__ = ("_code", "condition", "names", "paths", "references", "source", "where")

    def __init__(
        self, source: str, code: Code, found: tuple[Reference, ...], *, where: str = "", condition: bool = False
    ) -> None:
        self.source = source
        self.where = where
        self.condition = condition
        """Rendered and read as true or false, as the older engine did."""
        self.names = code.names
        self.references = found
        self.paths = frozenset(reference.path for reference in found)
        self._code = code

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """The value in this scope, as JSON data.

        Raises:
            PermanentError: kind `expression` or `expression.limit`; says what is wrong and at which character.
        """
        return self.run(scope, Meter())

    def run(self, scope: Mapping[str, Any], meter: Meter) -> Any:
        """As `evaluate`, on the budget of a larger value.

        Raises:
            PermanentError: see `evaluate`.
        """
        try:
            value = self._code.root(scope, meter)
            if type(value) not in _SCALARS:
                value = to_json_value(value)
            return truth(value, legacy=True) if self.condition else value
        except NeedsUnknown:
            return unknown_of(self.source)
        except Refusal as refusal:
            raise self._failed(refusal, refusal) from None
        except ReactorError:
            raise
        except (RecursionError, MemoryError) as error:
            raise self._failed(OverLimit("it is nested too deep or takes too much memory"), error) from None
        except Exception as error:  # noqa: BLE001 - whatever Python says of wrong data is an error of the expression
            raise self._failed(Refusal(_in_words(error)), error) from None

    def _failed(self, refusal: Refusal, error: BaseException) -> PermanentError:
        offset = refusal.offset if refusal.offset is not None else self._code.offset_of(error)
        place = f"{self.where}: " if self.where else ""
        at = f" at character {offset + 1}" if offset else ""
        begin = max(0, (offset or 0) - _SHOWN // 2)
        shown = self.source[begin : begin + _SHOWN]
        shown = f"{'…' if begin else ''}{shown}{'…' if len(self.source) > begin + _SHOWN else ''}"
        data = {"source": self.source[:200], "offset": offset, "where": self.where}
        return PermanentError(refusal.kind, f"{place}{refusal.message} (in `{shown}`{at})", data=data)


def _in_words(error: Exception) -> str:
    if isinstance(error, TypeError) and "argument" in str(error):
        return "a function or method was called with arguments that it does not take"
    if isinstance(error, ZeroDivisionError):
        return "division by zero"
    return f"{error}" or type(error).__name__


class ListOf:
    """A list in which something is an expression."""

    __slots__ = ("_items", "_written", "names", "paths", "references")

    def __init__(self, items: list[Compiled], written: Any) -> None:
        self._written = written
        """As it stands in the YAML, or its text."""
        self._items = items
        self.names, self.references, self.paths = _joined(items)

    @property
    def items(self) -> tuple[Compiled, ...]:
        """What stands in the list."""
        return tuple(self._items)

    @property
    def source(self) -> str:
        """The list as one line."""
        return shown(self._written)

    def evaluate(self, scope: Mapping[str, Any]) -> list[Any]:
        """The list of the values.

        Raises:
            PermanentError: see `Expression.evaluate`.
        """
        return self.run(scope, Meter())

    def run(self, scope: Mapping[str, Any], meter: Meter) -> list[Any]:
        """As `evaluate`.

        Raises:
            PermanentError: see `Expression.evaluate`.
        """
        return [item.run(scope, meter) for item in self._items]


class MapOf:
    """A map in which something is an expression; keys may be too."""

    __slots__ = ("_entries", "_keys", "_written", "names", "paths", "references")

    def __init__(self, entries: dict[str, Compiled], keys: dict[str, Compiled], written: Any) -> None:
        self._written = written
        self._entries = entries
        self._keys = keys
        self.names, self.references, self.paths = _joined([*entries.values(), *keys.values()])

    @property
    def entries(self) -> Mapping[str, Compiled]:
        """What stands in the map, by the keys as written."""
        return self._entries

    @property
    def source(self) -> str:
        """The map as one line."""
        return shown(self._written)

    def evaluate(self, scope: Mapping[str, Any]) -> dict[str, Any]:
        """The map of the values.

        Raises:
            PermanentError: see `Expression.evaluate`.
        """
        return self.run(scope, Meter())

    def run(self, scope: Mapping[str, Any], meter: Meter) -> dict[str, Any]:
        """As `evaluate`.

        Raises:
            PermanentError: see `Expression.evaluate`.
        """
        if not self._keys:
            return {key: entry.run(scope, meter) for key, entry in self._entries.items()}
        found = {}
        for key, entry in self._entries.items():
            name = self._keys.get(key)
            found[plain_text(name.run(scope, meter)) if name is not None else key] = entry.run(scope, meter)
        return found


class Source(str):
    """The text of an expression, told from a constant text."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Source) and str.__eq__(self, other)

    __hash__ = str.__hash__


def written(value: Any) -> Any:
    """A compiled value as plain data: constants as they are, each expression as its `Source`."""
    if isinstance(value, Constant):
        return value.value
    if isinstance(value, ListOf):
        return [written(item) for item in value._items]  # noqa: SLF001 - one thing in several classes
    if isinstance(value, MapOf):
        return {key: written(item) for key, item in value._entries.items()}  # noqa: SLF001
    text = value.source
    if isinstance(value, Expression) and text.startswith("{{") and text.endswith("}}") and text.count("{{") == 1:
        text = text[2:-2]
    return Source(text.strip())


def shown(value: Any) -> str:
    """What stands in the YAML, as one line."""
    try:
        return plain_text(value)
    except Refusal:
        return str(value)


def _joined(items: list[Compiled]) -> tuple[frozenset[str], tuple[Reference, ...], frozenset[Path]]:
    names = frozenset(name for item in items for name in item.names)
    found = tuple(reference for item in items for reference in item.references)
    return names, found, frozenset(reference.path for reference in found)
