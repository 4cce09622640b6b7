"""`@app.flow`: a function and its options as a flow of the language, checked by the same tables, in the same words."""

from __future__ import annotations

import hashlib
import inspect
import marshal
import textwrap
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Generic, ParamSpec, TypeVar

import msgspec

from reactor.language import loader
from reactor.language.problems import Problem, errors
from reactor.model.errors import InvalidError
from reactor.model.flow import CODE, Flow
from reactor.python.event import Event, seen
from reactor.python.run import Run
from reactor.python.values import as_type, hints, named, plain
from reactor.runtime.code import CodeBody, Place
from reactor.sdk import Catalog

P = ParamSpec("P")
R = TypeVar("R")
_PLACES = ("event", "inputs")
_STEPS = [{"name": "code", "fail": "the code of this flow is Python"}]
"""Stands for the code where the language is asked to check the options; never run."""


class PythonFlow(Generic[P, R]):
    """A flow that is an `async` function. It can still be called as one."""

    def __init__(self, function: Callable[P, Coroutine[Any, Any, R]], options: Mapping[str, Any]) -> None:
        """`options`: keys of a flow as YAML has them; those that are None are not given.

        Raises:
            InvalidError: the function cannot be a flow.
        """
        self.function = function
        self.name: str = options.get("name") or function.__name__.strip("_").lower().replace("_", "-")
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        if not inspect.iscoroutinefunction(function):
            raise InvalidError(f"flow {self.name!r}: {named(function)} is no `async def` function")
        self._takes = _takes(function)
        self._hints = hints(function)
        self.options = self._options(options)
        self.file = f"{CODE}{function.__module__}:{function.__qualname__}"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Call the function itself."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<flow {self.name} {self.file}>"

    def _options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        options = {key: value for key, value in given.items() if value is not None}
        options["name"] = self.name
        if isinstance(options.get("on"), str):
            options["on"] = {"event": options["on"]}
        if isinstance(options.get("on"), list):
            options["on"] = [{"event": item} if isinstance(item, str) else item for item in options["on"]]
        doc = inspect.getdoc(self.function)
        if doc and "description" not in options:
            options["description"] = " ".join(doc.partition("\n\n")[0].split())
        if "inputs" not in options and "inputs" in self._takes:
            schema = _schema(self._hints.get("inputs"), self.name)
            if schema is not None:
                options["inputs"] = schema
        return options

    def load(self, catalog: Catalog) -> Flow:
        """The flow, checked.

        Raises:
            InvalidError: options are wrong; says all that is.
        """
        text = _text({**plain(self.options, f"an option of flow {self.name!r}", "input"), "steps": _STEPS})
        loaded = loader.load(text, file=self.file, catalog=catalog)
        wrong = errors(loaded.problems)
        if loaded.flow is None or wrong:
            raise InvalidError("\n".join(self._said(problem) for problem in wrong))
        source = self._source()
        digest = hashlib.sha256(f"{self.function.__qualname__}\n{source}".encode()).hexdigest()
        body = CodeBody(self._run, source)
        return msgspec.structs.replace(loaded.flow, steps=body, code=body, source=source, digest=digest)

    def _said(self, problem: Problem) -> str:
        key = problem.excerpt.partition(":")[0].strip()
        option = {"if": "if_", "unless": "unless"}.get(key, key)
        return f"flow {self.name!r} ({self.file.removeprefix(CODE)}), option {option}: {problem.message}"

    def _source(self) -> str:
        """The options as YAML, and the text of the function: what makes a version."""
        options = _text(plain(self.options, f"an option of flow {self.name!r}"))
        try:
            code = textwrap.dedent(inspect.getsource(self.function)).rstrip()
        except (OSError, TypeError):
            digest = hashlib.sha256(marshal.dumps(self.function.__code__)).hexdigest()
            code = f"# the text of {named(self.function)} is not here; its compiled code is {digest}"
        return f"{options}code: |\n{textwrap.indent(code, '  ')}\n"

    async def _run(self, place: Place) -> Any:
        run = Run(place, self._hints.get("event"))
        given: dict[str, Any] = {}
        if "event" in self._takes:
            given["event"] = seen(place.scope["event"], self._hints.get("event"))
        if "inputs" in self._takes:
            given["inputs"] = as_type(
                place.scope["inputs"], self._hints.get("inputs"), f"the inputs of flow {self.name!r}", "input"
            )
        function: Callable[..., Coroutine[Any, Any, R]] = self.function
        output = await function(run, **given)
        return plain(output, f"what flow {self.name!r} returned")


def _takes(function: Callable[..., Any]) -> list[str]:
    """The names of what the function takes behind `run`."""
    parameters = list(inspect.signature(function).parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not parameters or parameters[0].kind not in positional:
        raise InvalidError(
            f"{named(function)} takes no run; write `async def {function.__name__}(run: Run, event: Event)`"
        )
    others = [parameter.name for parameter in parameters[1:]]
    strange = [name for name in others if name not in _PLACES]
    if strange:
        raise InvalidError(
            f"{named(function)} takes {', '.join(strange)}; a flow takes run and, if wanted, event and inputs"
        )
    return others


def _schema(annotation: Any, name: str) -> dict[str, Any] | None:
    """JSON Schema of the type of the inputs; None where it names none."""
    if annotation in (None, Any, dict) or getattr(annotation, "__origin__", None) is dict:
        return None
    dump = getattr(annotation, "model_json_schema", None)
    if callable(dump):
        made: dict[str, Any] = dump()
        return made
    try:
        (top,), parts = msgspec.json.schema_components([annotation], ref_template="#/$defs/{name}")
    except TypeError as error:
        raise InvalidError(f"flow {name!r}: the annotation of inputs has no JSON Schema: {error}") from None
    whole = parts.pop(top["$ref"].rpartition("/")[2]) if "$ref" in top else top
    return {**whole, **({"$defs": parts} if parts else {})}


def _text(options: Mapping[str, Any]) -> str:
    """A line for each key, its value as JSON, which is YAML too."""
    return "".join(f"{key}: {msgspec.json.encode(value).decode()}\n" for key, value in options.items())


def by_name(flows: Iterable[PythonFlow[Any, Any]]) -> dict[str, PythonFlow[Any, Any]]:
    """Flows by their names.

    Raises:
        InvalidError: two have the same.
    """
    found: dict[str, PythonFlow[Any, Any]] = {}
    for flow in flows:
        if flow.name in found:
            raise InvalidError(f"flow {flow.name!r} is declared twice: {found[flow.name].file} and {flow.file}")
        found[flow.name] = flow
    return found


__all__ = ["Event", "PythonFlow", "by_name"]
