"""The tables of keys: each key is of the language, has a doc, and an example that loads where it stands."""

import jsonschema_rs
import pytest

from reactor.language.keys import tables
from reactor.language.schema import flow_schema
from reactor.language.yaml_events import read as read_yaml

HEAD = "name: x\nsteps:\n"
TOP = "name: x\nsteps: [{action: log.info}]\n"
BEFORE = """\
- {name: charge, action: http.request, url: u}
- {set: {more: 1, tries: 1}}
"""
ASK = "- {name: ask, approve: {title: a}}\n"
# What has to stand beside a key, unless it is the key itself; `@` is where the key goes.
BESIDE = {
    "dedupe": {"key": "event.id", "for": "1h"},
    "parallel": {"branches": "{a: [{wait: 1s}], b: [{wait: 2s}]}"},
    "for_each": {"for_each": "event.data.items", "steps": "[{wait: 1s}]"},
    "loop": {"while": "vars.more", "steps": "[{wait: 1s}]"},
    "wait_for": {"event": "order.paid", "timeout": "1h"},
    "approve": {"title": "a", "timeout": "1w"},
    "escalate": {"after": "1d", "to": "eve"},
    "emit": {"type": "a"},
    "rate": {"max": "1", "per": "1m"},
    "batch": {"size": "1", "for": "1m"},
    "debounce": {"for": "1s"},
    "hold": {"over": "1", "per": "1m"},
    "concurrency": {"limit": "1"},
    "test": {"name": "it works"},
    "send": {"type": "a"},
    "emitted": {"type": "a"},
}
PLACES = {
    "step": HEAD + BEFORE + "- {action: log.info, @}\n",
    "verb": HEAD + BEFORE + "- {@}\n",
    "trigger": TOP + "on: {event: a, @}\n",
    "retry": HEAD + "- {action: log.info, retry: {@}}\n",
    "parallel": HEAD + "- {parallel: {@}}\n",
    "join": HEAD + "- {parallel: {branches: {a: [{wait: 1s}]}, join: {@}}}\n",
    "for_each": HEAD + "- {@}\n",
    "loop": HEAD + BEFORE + "- {@}\n",
    "wait": HEAD + "- {wait: {@}}\n",
    "wait_for": HEAD + "- {wait_for: {@}}\n",
    "approve": HEAD + "- {approve: {@}}\n",
    "escalate": HEAD + "- {approve: {title: a, escalate: {@}}}\n",
    "state": HEAD + "- {state: {@}}\n",
    "emit": HEAD + "- {emit: {@}}\n",
    "fail": HEAD + "- {fail: {@}}\n",
    "dedupe": TOP + "dedupe: {@}\n",
    "rate": TOP + "throttle: {@}\n",
    "batch": TOP + "batch: {@}\n",
    "debounce": TOP + "debounce: {@}\n",
    "hold": TOP + "hold: {@}\n",
    "singleton": TOP + "singleton: {@}\n",
    "concurrency": TOP + "concurrency: {@}\n",
    "test": HEAD + BEFORE + ASK + "tests: [{@}]\n",
    "test-event": TOP + "tests: [{name: a, event: {@}}]\n",
    "mock": HEAD + BEFORE + "tests: [{name: a, mock: {charge: {@}}}]\n",
    "failure": HEAD + BEFORE + "tests: [{name: a, mock: {charge: {error: {@}}}}]\n",
    "send": TOP + "tests: [{name: a, send: [{@}]}]\n",
    "decision": HEAD + ASK + "tests: [{name: a, approve: [{@}]}]\n",
    "expect": HEAD + BEFORE + "tests: [{name: a, expect: {@}}]\n",
    "emitted": TOP + "tests: [{name: a, expect: {emitted: [{@}]}}]\n",
}


def _with(owner, key):
    """A flow that has this key with its example."""
    line = f"{key.name}: {key.example}"
    if owner == "flow":
        name = "" if key.name == "name" else "name: x\n"
        return f"{name}{line}\n".replace("log.error", "log.info") + (
            "" if key.name in ("steps", "workflow") else f"steps:\n{BEFORE}"
        )
    if owner == "case":
        condition = {"if": "steps: [{wait: 1s}]", "steps": "if: event.data.a"}.get(key.name)
        return f"{HEAD}- {{switch: [{{{line}{f', {condition}' if condition else ''}}}]}}\n"
    if owner == "state" and key.name == "key":
        line += ", add: 1"
    elif owner == "state":
        line += ", key: a"
    if owner == "verb" and key.name == "break":
        return f"{HEAD}- {{while: event.data.a, steps: [{{{line}}}]}}\n"
    if owner == "verb" and key.shape.kind in ("items", "loop"):
        line += ", steps: [{wait: 1s}]"
    beside = {name: value for name, value in BESIDE.get(owner, {}).items() if name != key.name}
    line += "".join(f", {name}: {value}" for name, value in beside.items())
    text = PLACES[owner].replace("@", line)
    if owner == "step" and key.name == "name":
        return text.replace("name: charge, action: http", "name: other, action: http")
    if owner == "step" and key.name == "finally":
        return text.replace("{action: file.delete, path: tmp.csv}", "{action: log.info}")
    return text.replace("action: log.error", "action: log.info")


def test_every_key_has_a_doc_and_an_example_that_loads(read):
    """The example of each key that works is right where the key stands."""
    for owner, keys in tables().items():
        for key in keys:
            assert key.doc.endswith("."), key.name
            assert key.example, key.name
            problems = [str(p) for p in read(_with(owner, key)).problems if p.severity == "error"]
            assert problems == [], (owner, key.name)


@pytest.mark.parametrize("owner", tables())
def test_the_schema_takes_every_example(catalog, owner):
    validator = jsonschema_rs.validator_for(flow_schema(catalog))
    for key in tables()[owner]:
        root = read_yaml(_with(owner, key)).root
        assert root is not None
        assert [error.message for error in validator.iter_errors(root.plain)] == [], (owner, key.name)


@pytest.mark.parametrize("owner", tables())
def test_an_unknown_key_is_refused_everywhere(read, catalog, owner):
    """By the loader, with its name, and by the schema."""
    key = tables()[owner][0]
    good = f"{key.name}: {key.example}".replace("log.error", "log.info")
    text = _with(owner, key).replace(good, f"{good}\nzzz: 1" if owner == "flow" else f"{good}, zzz: 1", 1)
    if owner in ("step", "verb"):
        # An action of the catalog takes any name; others take none.
        text = text.replace("- {action: log.info, name", "- {wait: 1s, name").replace(f"- {{{good}", "- {wait: 1s")
    problems = [problem for problem in read(text).problems if problem.severity == "error"]
    root = read_yaml(text).root
    assert root is not None
    assert "zzz" in text
    assert [(problem.text, problem.rule.startswith("unknown")) for problem in problems] == [("zzz", True)]
    assert not jsonschema_rs.validator_for(flow_schema(catalog)).is_valid(root.plain)


# language.md names every one of these.
NAMES = """
    name description labels on if unless steps workflow inputs outputs vars timeout on_failure dedupe timezone
    connections
    rate_limit batch debounce hold singleton throttle concurrency priority on_cancel undo retention tests
    deadline retry on_error continue_on_error finally delivery output secret_output
    action parallel for_each while until switch call wait wait_for approve emit set state return break fail
    as batch steps every join count branches max_parallel fail_fast size over per limit scope on_conflict
    source else title by quorum form on_timeout escalate notify after to set add delete
    event inputs mock send secrets env now advance expect approve time metadata error outputs step decision
    called not_called emitted matches status
    type id enabled max backoff delay factor max_delay jitter stop_on then key for data subject kind message
"""


def test_every_key_is_of_the_language():
    names = {key.name for keys in tables().values() for key in keys}
    assert names == set(NAMES.split())
