"""All settings: one typed, frozen object, built once from flags > environment > `reactor.toml` > defaults.

Each value knows where it came from (`doctor` shows it). An unknown name is refused, with what was probably meant.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from reactor.model import durations, failpoints
from reactor.model.access import Role
from reactor.model.errors import SettingsError

PREFIX = "REACTOR_"
FILE = "reactor.toml"
_LEVELS = ("debug", "info", "warning", "error")
_SIZES = {"": 1, "b": 1, "k": 1 << 10, "kb": 1 << 10, "kib": 1 << 10, "m": 1 << 20, "mb": 1 << 20, "mib": 1 << 20,
          "g": 1 << 30, "gb": 1 << 30, "gib": 1 << 30}  # fmt: skip
_NO_LIMIT = ("forever", "never", "none", "off")
HIDDEN = frozenset({"token", "secret_key", "oidc_client_secret"})
"""Never shown."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator decided. Paths are absolute, times in milliseconds, sizes in bytes."""

    host: str = "127.0.0.1"
    port: int = 5000
    data: Path = Path(".reactor")
    store: str = "sqlite"
    runtime: str = "embedded"
    workflows: Path | None = None
    app: str | None = None
    plugins: tuple[Path, ...] = ()
    durability: str = "full"
    log_format: str = "text"
    log_level: str = "info"
    token: str | None = None
    secret_key: str | None = None
    http_allow: tuple[str, ...] = ()
    file_roots: tuple[Path, ...] = ()
    env_allow: tuple[str, ...] = ()
    shell_env: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    ingest_open: bool = False
    url: str | None = None
    public_url: str | None = None
    retention: int | None = None
    audit_retention: int | None = None
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = None
    oidc_role_claim: str = "groups"
    oidc_roles: tuple[tuple[str, Role], ...] = ()
    oidc_default_role: Role | None = None
    oidc_domains: tuple[str, ...] = ()
    max_body: int = 10 << 20
    http_timeout: int = 30_000
    http_max_body: int = 10 << 20
    output_max: int = 1 << 20
    live_runs: int = 10_000
    queue: int = 10_000
    passivate_after: int = 1_000
    drain: int = 30_000
    rescan: int = 3_000
    otel_endpoint: str | None = None
    otel_sample: float = 1.0
    failpoint: str | None = None
    origins: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Name → where its value came from; a name that is missing has its default."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value, _ in self.shown())
        return f"Settings({shown})"

    @property
    def store_file(self) -> Path:
        """The SQLite file."""
        text = self.store.removeprefix("sqlite").removeprefix(":")
        if not text:
            return self.data / "reactor.db"
        return self.data / text.removeprefix("///") if text.startswith("///") else self.data / text

    def shown(self) -> Iterator[tuple[str, Any, str]]:
        """(name, value, origin) of each, the secret ones covered."""
        for name in FIELDS:
            value = getattr(self, name)
            if name in HIDDEN and value is not None:
                value = "***"
            elif name == "oidc_roles":
                value = tuple(f"{given}={role}" for given, role in value)
            yield name, value, self.origins.get(name, "default")


class Field(msgspec.Struct, frozen=True):
    """How a setting is read and what it means."""

    doc: str
    read: Callable[[Any, Path], Any]
    """(raw value, folder that relative paths start at) → value.

    Raises:
        ValueError: it cannot be; the message follows the setting's name.
    """


def load(flags: Mapping[str, Any], env: Mapping[str, str], cwd: Path, config: Path | str | None = None) -> Settings:
    """Build the settings.

    Args:
        flags: values given on the command line by setting name; None counts as not given.
        env: the environment.
        cwd: where relative paths and `reactor.toml` are looked for.
        config: a file to read in place of `reactor.toml` (`--config`; else `REACTOR_CONFIG`).

    Raises:
        SettingsError: with every problem there is, a line each.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    chosen = config or env.get(PREFIX + "CONFIG") or None
    for origin, base, raw in (
        *_from_file(chosen, cwd, problems),
        *_from_env(env, cwd, problems),
        *((f"--{name.replace('_', '-')}", cwd, {name: value}) for name, value in flags.items() if value is not None),
    ):
        for name, value in raw.items():
            _read(name, origin, base, value, values, origins, problems)
    if "otel_endpoint" not in values and (standard := _standard_endpoint(env)) is not None:
        _read("otel_endpoint", standard[0], cwd, standard[1], values, origins, problems)
    if problems:
        raise SettingsError("\n".join(problems))
    values.setdefault("data", cwd / ".reactor")
    if "workflows" not in values and (cwd / "workflows").is_dir():
        values["workflows"], origins["workflows"] = cwd / "workflows", "default (the folder is here)"
    values.setdefault("file_roots", (cwd, values["data"] / "files"))
    return Settings(origins=origins, **values)


def _read(
    name: str,
    origin: str,
    base: Path,
    value: Any,
    values: dict[str, Any],
    origins: dict[str, str],
    problems: list[str],
) -> None:
    try:
        values[name] = FIELDS[name].read(value, base)
        origins[name] = origin
    except ValueError as error:
        problems.append(f"{_spelt(name, origin)} {error}")


def _spelt(name: str, origin: str) -> str:
    """A setting as the operator wrote it."""
    return origin if origin.startswith(("--", PREFIX, "OTEL_")) else f"{origin}: {name}"


def _from_file(
    chosen: Path | str | None, cwd: Path, problems: list[str]
) -> Iterator[tuple[str, Path, Mapping[str, Any]]]:
    path = cwd / (chosen or FILE)
    if chosen is None and not path.is_file():
        return
    import tomllib  # noqa: PLC0415 - most starts have no file to read

    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        problems.append(f"{path} cannot be read: {error.strerror}")
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{path} is not TOML: {error}")
        return
    known = {}
    for name, value in found.items():
        if name in FIELDS:
            known[name] = value
        else:
            problems.append(f"{path.name}: there is no setting {name!r}{meant(name, FIELDS)}")
    yield path.name, path.parent, known


def _from_env(env: Mapping[str, str], cwd: Path, problems: list[str]) -> Iterator[tuple[str, Path, Mapping[str, Any]]]:
    for variable in sorted(env):
        if not variable.startswith(PREFIX) or variable == PREFIX + "CONFIG":
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in FIELDS:
            known = [PREFIX + field.upper() for field in FIELDS]
            problems.append(f"there is no setting {variable}{meant(variable, known)}")
        elif env[variable] != "" or name in _MAY_BE_EMPTY:
            yield variable, cwd, {name: env[variable]}


def meant(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


# --- readers of values ---


def _text(value: Any, _: Path) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"must be a text, not {value!r}")
    return value.strip()


def _host(value: Any, base: Path) -> str:
    host = _text(value, base)
    if "/" in host or " " in host:
        raise ValueError(f"must be a host name or address, not {host!r}")
    return host


def _number(low: int, high: int) -> Callable[[Any, Path], int]:
    def read(value: Any, _: Path) -> int:
        try:
            number = int(value) if isinstance(value, str) else value
        except ValueError:
            number = None
        if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {value!r}")
        return number

    return read


def _choice(*allowed: str, later: Mapping[str, str] | None = None) -> Callable[[Any, Path], str]:
    def read(value: Any, _: Path) -> str:
        text = str(value).strip().lower()
        if text in allowed:
            return text
        if later and text in later:
            raise ValueError(f"{text!r} is {later[text]}; there is {' or '.join(allowed)}")
        raise ValueError(f"must be {' or '.join(allowed)}, not {value!r}{meant(text, allowed)}")

    return read


def _level(value: Any, base: Path) -> str:
    text = str(value).strip().lower()
    return _choice(*_LEVELS)({"warn": "warning", "critical": "error"}.get(text, value), base)


def _path(value: Any, base: Path) -> Path:
    if not isinstance(value, (str, Path)) or not str(value) or "\0" in str(value):
        raise ValueError(f"must be a path, not {value!r}")
    return base / Path(value).expanduser()


def _list(value: Any, _: Path) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise ValueError(f"must be a list of texts (in the environment with commas between), not {value!r}")
    return tuple(part.strip() for part in parts if part.strip())


def _networks(value: Any, base: Path) -> tuple[str, ...]:
    import ipaddress  # noqa: PLC0415 - most servers have no proxy

    parts = _list(value, base)
    for part in parts:
        try:
            ipaddress.ip_network(part)
        except ValueError:
            raise ValueError(f"must be addresses or networks such as 10.0.0.0/8, not {part!r}") from None
    return parts


def _paths(value: Any, base: Path) -> tuple[Path, ...]:
    parts = value.replace(":", ",") if isinstance(value, str) else value
    return tuple(_path(part, base) for part in _list(parts, base))


def _flag(value: Any, _: Path) -> bool:
    text = str(value).strip().lower()
    if text in ("true", "1", "yes", "on"):
        return True
    if text in ("false", "0", "no", "off"):
        return False
    raise ValueError(f"must be true or false, not {value!r}")


def _duration(value: Any, _: Path) -> int:
    return durations.parse(value)


def _retention(value: Any, base: Path) -> int | None:
    if str(value).strip().lower() in _NO_LIMIT:
        return None
    millis = _duration(value, base)
    if millis <= 0:
        raise ValueError("must be longer than 0; `forever` keeps everything")
    return millis


def _size(value: Any, _: Path) -> int:
    text = str(value).strip().lower().replace(" ", "")
    digits = text.rstrip("bkmgi")
    unit = text[len(digits) :]
    if isinstance(value, bool) or not digits.isdecimal() or unit not in _SIZES or int(digits) == 0:
        raise ValueError(f"must be a size such as 500KB or 10MB, not {value!r}")
    return int(digits) * _SIZES[unit]


def _store(value: Any, base: Path) -> str:
    text = _text(value, base)
    kind, colon, rest = text.partition(":")
    if kind.lower() != "sqlite":
        shown = kind if colon else text
        raise ValueError(f"names {shown!r}: not in this version, which has the store sqlite (sqlite:///FILE)")
    if "?" in rest or (rest.startswith("//") and not rest.startswith("///")):
        raise ValueError(f"must be `sqlite` or sqlite:///FILE, not {text!r}")
    file = rest.removeprefix("///")
    return f"sqlite:///{base / Path(file).expanduser()}" if file else "sqlite"


def _object(value: Any, base: Path) -> str:
    text = _text(value, base)
    module, _, name = text.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), name)):
        raise ValueError(f"must be MODULE:NAME such as shop.flows:app, not {value!r}")
    return text


def _failpoint(value: Any, base: Path) -> str:
    text = _text(value, base)
    name, _, count = text.partition(":")
    if name not in failpoints.NAMES or (count and not count.isdecimal()):
        raise ValueError(f"names no failpoint: {text!r}{meant(name, failpoints.NAMES)}")
    return text


def _address(value: Any, base: Path) -> str:
    text = _text(value, base)
    if not text.startswith(("http://", "https://")):
        raise ValueError(f"must begin with http:// or https://, not {text!r}")
    return text


def _url(value: Any, base: Path) -> str:
    return _address(value, base).rstrip("/")


def _role(text: str) -> Role:
    name = text.strip().lower()
    if name not in set(Role):
        raise ValueError(f"names the role {text.strip()!r}; there are {', '.join(Role)}")
    return Role(name)


def _roles(value: Any, base: Path) -> tuple[tuple[str, Role], ...]:
    found = []
    for part in _list(value, base):
        name, equals, role = part.rpartition("=")
        if not equals or not name.strip():
            raise ValueError(f"must be a list of VALUE=ROLE, not {part!r}")
        found.append((name.strip(), _role(role)))
    return tuple(found)


def _default_role(value: Any, _: Path) -> Role | None:
    text = str(value).strip()
    return None if text.lower() == "none" else _role(text)


def _domains(value: Any, base: Path) -> tuple[str, ...]:
    return tuple(part.lower().lstrip("@") for part in _list(value, base))


def _share(value: Any, _: Path) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = -1.0
    if isinstance(value, bool) or not 0 <= share <= 1:
        raise ValueError(f"must be a number from 0 to 1 such as 0.1, not {value!r}")
    return share


def _standard_endpoint(env: Mapping[str, str]) -> tuple[str, str] | None:
    """Where OpenTelemetry's own variables say that traces go, and which says so. The one for traces counts as it is."""
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or env.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    for name, path in (("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ""), ("OTEL_EXPORTER_OTLP_ENDPOINT", "/v1/traces")):
        if given := env.get(name, "").strip():
            return name, given.rstrip("/") + path
    return None


_NOT_YET = "not in this version"
_MAY_BE_EMPTY = (
    "http_allow",
    "file_roots",
    "env_allow",
    "shell_env",
    "hosts",
    "proxies",
    "plugins",
    "oidc_roles",
    "oidc_domains",
)
FIELDS: dict[str, Field] = {
    "host": Field("address to listen on", _host),
    "port": Field("port to listen on; 0 takes any free one", _number(0, 65_535)),
    "data": Field("folder of everything that is kept", _path),
    "store": Field("where runs and events are kept: sqlite, or sqlite:///FILE", _store),
    "runtime": Field("what runs flows", _choice("embedded", later={"temporal": _NOT_YET})),
    "workflows": Field("folder of the flows", _path),
    "app": Field("flows and actions in Python: MODULE:NAME of a reactor.Reactor", _object),
    "plugins": Field("folders of plugins that run as processes of their own, or of such folders", _paths),
    "durability": Field("full: safe from a power cut; process: from a crash of Reactor", _choice("full", "process")),
    "log_format": Field("text or json", _choice("text", "json")),
    "log_level": Field("debug, info, warning or error", _level),
    "token": Field("the admin token; made at first start where none is given", _text),
    "secret_key": Field("key of the secrets; made at first use where none is given", _text),
    "http_allow": Field("private hosts and networks that flows may call", _list),
    "file_roots": Field("folders that flows may read and write", _paths),
    "env_allow": Field("names that `env.` may read", _list),
    "shell_env": Field("variables handed on to commands of shell.exec", _list),
    "hosts": Field("more names under which this server may be addressed", _list),
    "proxies": Field("addresses and networks of proxies that are believed who calls, and whether by TLS", _networks),
    "ingest_open": Field("take events without a token also beyond loopback", _flag),
    "url": Field("where the command line finds the server", _url),
    "public_url": Field("where people reach this server: what links in messages begin with", _url),
    "retention": Field("how long finished runs are kept; `forever`", _retention),
    "audit_retention": Field("how long entries of the audit log are kept; `forever`", _retention),
    "oidc_issuer": Field("who vouches for people: an OIDC issuer, as it calls itself", _address),
    "oidc_client_id": Field("what the issuer calls this server", _text),
    "oidc_client_secret": Field("what the issuer knows it by; left out for a public client", _text),
    "oidc_role_claim": Field("the claim that says what somebody is; dots lead into maps", _text),
    "oidc_roles": Field("which of its values gives which role: VALUE=ROLE", _roles),
    "oidc_default_role": Field("role of those whom no claim gives one; `none`: not let in", _default_role),
    "oidc_domains": Field("domains of verified addresses that are let in; otherwise all", _domains),
    "max_body": Field("largest data of one event", _size),
    "http_timeout": Field("longest wait of http.request where a step names none", _duration),
    "http_max_body": Field("largest answer of http.request", _size),
    "output_max": Field("largest output of a command", _size),
    "live_runs": Field("runs in memory; more wait on disk", _number(1, 1_000_000)),
    "queue": Field("events that may wait to be written; beyond it the door says 503", _number(1, 10_000_000)),
    "passivate_after": Field("a run that only waits leaves memory after this", _duration),
    "drain": Field("how long runs may go on at shutdown", _duration),
    "rescan": Field("how often the flows' folder is compared as a whole", _duration),
    "otel_endpoint": Field("where traces are sent (OTLP over HTTP); also OTEL_EXPORTER_OTLP_ENDPOINT", _url),
    "otel_sample": Field("share of the traces that begin here which are kept, 0 to 1", _share),
    "failpoint": Field("die at this place (tests)", _failpoint),
}
