"""A catalog of a few actions and triggers, so that these tests know no connector."""

from typing import Any, Literal

import msgspec
import pytest

from reactor.language.loader import Loaded, load
from reactor.sdk import Catalog, Connector, Effect, action


class Auth(msgspec.Struct, forbid_unknown_fields=True):
    user: str
    password: str


class Call(msgspec.Struct, forbid_unknown_fields=True):
    url: str
    method: Literal["GET", "POST"] = "GET"
    json: Any = None
    headers: dict[str, str] = {}
    auth: Auth | None = None
    parts: list[Auth] = []
    tries: int = 1

    def __post_init__(self) -> None:
        if self.method == "GET" and self.json is not None:
            raise ValueError("a GET has no json")


class Line(msgspec.Struct, forbid_unknown_fields=True):
    message: Any = ""
    fields: dict[str, Any] = {}


class Command(msgspec.Struct, forbid_unknown_fields=True):
    command: str


class EventConfig(msgspec.Struct, forbid_unknown_fields=True):
    event: str
    source: str | None = None


class HookConfig(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    methods: str | list[str] = "POST"
    secret: str | None = None


class FileConfig(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    changes: list[Literal["created", "modified", "deleted"]] = []
    settle: str = "1s"


class ScheduleConfig(msgspec.Struct, forbid_unknown_fields=True):
    cron: str | None = None
    every: str | None = None
    timezone: str | None = None


class FeedConfig(msgspec.Struct, forbid_unknown_fields=True):
    topic: str


class ChangesConfig(msgspec.Struct, forbid_unknown_fields=True):
    tables: list[str]
    operations: list[Literal["insert", "update", "delete"]]
    connection: str | None = None


class Kind:
    doc = "A trigger."

    def __init__(self, kind: str, config: type[msgspec.Struct], short: str | None, default_type: str) -> None:
        self.kind = kind
        self.config = config
        self.short = short
        self.default_type = default_type

    def check(self, config: Any) -> list[str]:
        if self.kind == "file" and config.settle == "0s":
            return ["settle: has to be longer"]
        if self.kind == "schedule" and (config.cron is None) == (config.every is None):
            return ["give one of cron and every"]
        return []

    async def run(self, ctx: Any) -> None:
        raise NotImplementedError


def _actions() -> tuple[Any, ...]:
    @action("http.request", params=Call, effect=Effect.WRITE)
    async def request(ctx: Any, params: Any) -> Any:
        """Call somebody."""

    @action("log.info", params=Line, effect=Effect.PURE, open_params="fields")
    def info(ctx: Any, params: Any) -> Any:
        """Write to the log."""

    @action("shell.exec", params=Command, effect=Effect.WRITE)
    async def execute(ctx: Any, params: Any) -> Any:
        """Run a command."""

    return (request, info, execute)


@pytest.fixture
def catalog() -> Catalog:
    triggers: tuple[Any, ...] = (
        Kind("event", EventConfig, "event", ""),
        Kind("webhook", HookConfig, "path", "http.request"),
        Kind("file", FileConfig, "path", "file.created"),
        Kind("schedule", ScheduleConfig, "cron", "schedule"),
        Kind("feed", FeedConfig, None, "feed.item"),
        Kind("cdc", ChangesConfig, None, "database.insert"),
    )
    return Catalog([Connector(name="test", actions=_actions(), triggers=triggers)])


@pytest.fixture
def read(catalog):
    """Load a flow from text."""

    def load_(text: str | bytes, file: str = "flow.yaml") -> Loaded:
        return load(text, file=file, catalog=catalog)

    return load_


@pytest.fixture
def told(read):
    """`line:column rule` of every problem of a text, errors and (with a `?`) warnings."""

    def places(text: str | bytes) -> list[str]:
        mark = {"error": "", "warning": "?"}
        return [f"{p.line}:{p.column} {p.rule}{mark[p.severity]}" for p in read(text).problems]

    return places


@pytest.fixture
def steps(read):
    """The steps of a flow with this list of steps; there must be no errors."""

    def load_(text: str, **top: str) -> Any:
        head = "".join(f"{name}: {value}\n" for name, value in top.items())
        loaded = read(f"name: x\n{head}steps:\n{text}")
        assert loaded.flow is not None, [str(problem) for problem in loaded.problems]
        return loaded.flow.steps

    return load_
