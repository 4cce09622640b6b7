"""What starts a flow, as the half sentence behind "when". A kind that is not known here reads by its own name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from reactor.language.reads.phrases import article, clipped, condition, joined, texts, value
from reactor.model.flow import TriggerSpec

Config = Mapping[str, Any]
BY_HAND = "somebody starts it, or another flow calls it"
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EVERY = {"1s": "second", "1m": "minute", "1h": "hour", "1d": "day", "1w": "week", "60s": "minute", "24h": "day"}


def when(spec: TriggerSpec) -> str:
    """`an HTTP POST to /orders comes`."""
    said = _KINDS.get(spec.kind, _unknown)(spec.config) or _unknown(spec.config)
    said = said.replace("KIND", spec.kind)
    return said if spec.if_ is None else f"{said}, if {condition(spec.if_)}"


def _unknown(config: Config) -> str:
    what = value(config[""]) if "" in config else joined([f"{key} {value(item, 40)}" for key, item in config.items()])
    return f"the trigger KIND fires{f' ({what})' if what else ''}"


def _event(config: Config) -> str:
    kind = str(config.get("event", config.get("", "")))
    source = f" from {value(config['source'])}" if config.get("source") else ""
    return f"any event comes{source}" if kind == "**" else f"an event {clipped(kind)} comes{source}"


def _webhook(config: Config) -> str:
    methods = joined([text.upper() for text in texts(config.get("methods", "POST"))], "or")
    return f"an HTTP {methods} to {value(config.get('path', config.get('', '')))} comes"


def _schedule(config: Config) -> str:
    zone = f" ({config['timezone']})" if config.get("timezone") else ""
    cron = config.get("cron", config.get(""))
    if config.get("every") is not None:
        span = value(config["every"])
        return f"another {_EVERY[span]} has passed" if span in _EVERY else f"another {span} have passed"
    if config.get("after") is not None:
        return f"{value(config['after'])} have passed since its last run"
    if config.get("at") is not None:
        return f"it is {joined(texts(config['at']), 'or')}{zone}"
    return f"{_cron(str(cron))}{zone}"


def _cron(text: str) -> str:
    """`0 8 * * 1-5` → `it is 08:00 on Mon to Fri`."""
    parts = text.split()
    if len(parts) != 5 or parts[2:4] != ["*", "*"]:
        return f"the clock fits {clipped(text)}"
    minute, hour, _, _, day = parts
    days = _weekdays(day)
    if days is None:
        return f"the clock fits {clipped(text)}"
    if minute.isdecimal() and hour.isdecimal():
        return f"it is {int(hour):02}:{int(minute):02}{days or ' on any day'}"
    if minute.isdecimal() and hour == "*":
        return f"it is {int(minute)} minutes past any hour{days}" if int(minute) else f"an hour begins{days}"
    step = re.fullmatch(r"\*/(\d{1,2})", minute)
    if step and hour == "*":
        return f"{step[1]} minutes of the clock have passed{days}"
    return f"the clock fits {clipped(text)}"


def _weekdays(text: str) -> str | None:
    """` on Mon to Fri`, nothing for every day, None for what is written otherwise."""
    if text == "*":
        return ""
    if re.fullmatch(r"[0-7]-[0-7]", text):
        return f" on {_DAYS[int(text[0])]} to {_DAYS[int(text[2])]}"
    if re.fullmatch(r"[0-7](,[0-7])*", text):
        return f" on {joined([_DAYS[int(day)] for day in text.split(',')], 'or')}"
    return None


def _file(config: Config) -> str:
    paths = joined([*texts(config.get("path", config.get("", []))), *texts(config.get("paths", []))], "or")
    changes = texts(config.get("changes", [])) or ["created", "modified", "deleted"]
    return f"a file {paths} is {joined(changes, 'or')}"


def _database(config: Config) -> str:
    table = config.get("table", config.get(""))
    return f"a new row comes into {value(table)}" if table else "a query of a database gives a new row"


def _cdc(config: Config) -> str:
    operations = texts(config.get("operations", [])) or ["insert", "update", "delete"]
    done = joined([f"{word.removesuffix('e')}ed" for word in operations], "or")
    tables = joined(texts(config.get("tables", config.get("", []))), "or")
    return f"a row of {tables or 'any table'} is {done}"


def _kafka(config: Config) -> str:
    topics = joined(texts(config.get("topics", config.get("", []))), "or")
    return f"a message comes from Kafka ({topics})"


def _mqtt(config: Config) -> str:
    return f"an MQTT message comes on {joined(texts(config.get('topic', config.get('', []))), 'or')}"


def _nats(config: Config) -> str:
    if config.get("stream"):
        subject = f", {value(config['subject'])}" if config.get("subject") else ""
        return f"a message comes from the NATS stream {value(config['stream'])}{subject}"
    return f"a NATS message comes on {value(config.get('subject', config.get('', '')))}"


def _redis(config: Config) -> str:
    for key, words in (("stream", "comes into the Redis stream"), ("list", "comes into the Redis list")):
        if config.get(key):
            return f"an entry {words} {value(config[key])}"
    channels = [*texts(config.get("channel", config.get("", []))), *texts(config.get("pattern", []))]
    return f"a message is published on the Redis channel {joined(channels, 'or')}"


def _email(config: Config) -> str:
    return f"a mail comes into {value(config.get('folder', config.get('', 'INBOX')))}"


def _run(config: Config) -> str:
    status = joined(texts(config.get("status", [])), "or")
    flow = value(config.get("flow", config.get("", "")))
    return f"a run of {'any flow' if flow in ('*', '**') else f'flow {flow}'} has {status or 'ended'}"


def _pattern(config: Config) -> str:
    within, by = value(config.get("within", "")), config.get("by")
    each = f", for one {value(by).removeprefix('event.data.')}" if by else ""
    if isinstance(config.get("count"), dict):
        part = config["count"]
        return f"{_part(part)} comes at least {part.get('at_least')} times within {within}{each}"
    if config.get("sequence"):
        return (
            f"{joined([_part(part) for part in config['sequence']], 'then')} come in this order within {within}{each}"
        )
    for key, word in (("all", "and"), ("any", "or")):
        if config.get(key):
            come = "all come" if key == "all" else "comes"
            return f"{joined([_part(part) for part in config[key]], word)} {come} within {within}{each}"
    return ""


def _part(part: Any) -> str:
    if not isinstance(part, dict):
        return value(part)
    event = clipped(article(str(part.get("event", "event"))))
    said = f"no {value(part['absent'])}" if part.get("absent") else event
    return said if part.get("if") is None else f"{said} with {value(str(part['if'])).replace('event.data.', '')}"


_KINDS: dict[str, Callable[[Config], str]] = {
    "event": _event,
    "webhook": _webhook,
    "schedule": _schedule,
    "file": _file,
    "database": _database,
    "cdc": _cdc,
    "kafka": _kafka,
    "mqtt": _mqtt,
    "nats": _nats,
    "redis": _redis,
    "email": _email,
    "run": _run,
    "pattern": _pattern,
}
