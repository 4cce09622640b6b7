"""The JSON Schema says of a flow what the loader says, as far as a schema can."""

import jsonschema_rs
import pytest

from reactor.language.keys import tables
from reactor.language.schema import ID, flow_schema
from reactor.language.yaml_events import read as read_yaml
from reactor.plugins.discovery import discover


@pytest.fixture
def accepts(catalog):
    validator = jsonschema_rs.validator_for(flow_schema(catalog))

    def ask(text):
        root = read_yaml(text).root
        assert root is not None
        return validator.is_valid(root.plain)

    return ask


def test_it_is_a_schema_with_an_id(catalog):
    schema = flow_schema(catalog)
    jsonschema_rs.meta.validate(schema)
    assert schema["$id"] == ID
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_schema_of_everything_that_is_installed():
    catalog, _ = discover()
    schema = flow_schema(catalog)
    jsonschema_rs.meta.validate(schema)
    assert {"event", "webhook", "schedule", "file"} <= set(catalog.triggers)


def test_every_key_is_in_it_and_what_does_not_work_says_so(catalog):
    schema = flow_schema(catalog)
    flow, step = schema["properties"], schema["$defs"]["step"]["properties"]
    for key in tables()["flow"]:
        assert ("does not run it yet" in flow[key.name]["description"]) is key.later
    for key in (*tables()["step"], *tables()["verb"]):
        assert ("does not run it yet" in step[key.name]["description"]) is key.later
        assert step[key.name]["description"].startswith(key.doc)


TOP = "name: x\nsteps: [{action: log.info}]\n"
STEP = "name: x\nsteps:\n"


@pytest.mark.parametrize(
    "text",
    [
        TOP,
        "name: x\nworkflow: [{action: log.info, message: hi}]\non: {event: file.created, path: in}\n",
        TOP + "on: {event: database.change, table: t, operation: INSERT}\n",
        "workflow: [{action: log.info}]\n",
        TOP + "on: {event: a, source: b, if: event.id}\n",
        TOP + "on: [{event: a}, {webhook: /x, methods: [GET]}, {file: {path: in}}, {schedule: '@daily'}]\n",
        TOP + "timeout: 1d\ntimezone: UTC\nlabels: {a: 1}\ndedupe: {key: event.id, for: 1h}\n",
        TOP + "timeout: '{{ vars.x }}'\n",
        TOP + "timeout: 10\n",
        TOP + "connections: {db: {type: sqlite, url: x}}\n",
        STEP + "- {action: http.request, url: x, method: POST, json: {a: 1}}\n",
        STEP + "- {action: http.request, with: {url: x, tries: '{{ vars.n }}'}}\n",
        STEP + "- {action: http.request, url: '{{ vars.u }}', auth: {user: '{{ event.id }}', password: p}}\n",
        STEP + "- {action: log.info, message: hi, any: thing, with: {more: 1}}\n",
        STEP + "- {action: log.info, with: }\n",
        STEP
        + "- {action: log.info, retry: none}\n- {action: log.info, retry: 3}\n- {action: log.info, retry: {max: 2}}\n",
        STEP + "- {name: b, timeout: PT5M, steps: [{wait: 1s}], on_error: [{fail: x}]}\n",
        STEP
        + "- {wait: {until: 2026-11-23}}\n- {emit: {type: a}}\n- {set: {a: 1}}\n- {call: y, with: {}, wait: true}\n",
        STEP + "- {return: }\n- {fail: {kind: x}}\n",
        STEP
        + "- {parallel: {branches: {a: [{wait: 1s}], b: [{wait: 1s}]}, join: {count: 1}, timeout: 1s}, retry: 2}\n",
        STEP + "- {parallel: true, join: first, max_parallel: 2, fail_fast: true, timeout: 1s, steps: [{wait: 1s}]}\n",
        STEP + "- {for_each: event.data, as: order, batch: '{{ event.data.n }}', steps: [{break: true}]}\n",
        STEP + "- {for_each: [1, 2], max_parallel: 2, steps: [{wait: 1s}]}\n",
        STEP + "- {while: event.data.x, max: 5, every: 1s, steps: [{wait: 1s}], timeout: 1m}\n",
        STEP + "- {until: event.data.x, steps: [{wait: 1s}]}\n",
        STEP + "- {switch: [{if: event.data.x, steps: [{wait: 1s}]}, {else: [{wait: 1s}]}]}\n",
        STEP + "- {call: y, wait: false, version: 2}\n",
        STEP + "- {wait_for: a}\n- {wait_for: {event: a, if: received.id, timeout: 1s, on_timeout: [{wait: 1s}]}}\n",
        STEP + "- {approve: {title: a, by: [a], timeout: 1w, on_timeout: reject, escalate: {after: 1d, to: b}}}\n",
        STEP + "- {approve: {title: a, escalate: [{after: 1d, to: [b]}], notify: [{wait: 1s}]}}\n",
        STEP + "- {state: {key: a, set: }}\n- {state: {key: a, delete: true}}\n",
        STEP + "- {wait: 1s, undo: {wait: 1s}, secret_output: true}\n- {wait: 1s, undo: [{wait: 1s}]}\n",
        TOP + "concurrency: {limit: 1}\nsingleton: event.id\npriority: 5\nundo: never\nretention: 1d\n",
        TOP + "concurrency: 1\nsingleton: {}\npriority: event.data.p\non_cancel: [{wait: 1s}]\n",
        TOP
        + "tests: [{name: a, mock: {log_info: [{error: x}, {output: 1}]}, expect: {steps: {log_info: completed}}}]\n",
    ],
)
def test_right_flows_are_accepted(accepts, read, text):
    assert read(text).flow is not None
    assert accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        "name: x\n",
        "name: X y\nsteps: [{action: log.info}]\n",
        TOP + "descripton: x\n",
        TOP + "workflow: [{action: log.info}]\n",
        TOP + "timeout: soon\n",
        TOP + "on: order.created\n",
        TOP + "on: {event: a, sorce: b}\n",
        TOP + "on: {feed: a}\n",
        TOP + "dedupe: {key: event.id}\n",
        STEP + "- {}\n",
        STEP + "- {message: hi}\n",
        STEP + "- {wait: 1s, set: {a: 1}}\n",
        STEP + "- {action: http.request}\n",
        STEP + "- {action: http.request, url: x, methd: GET}\n",
        STEP + "- {action: http.request, url: x, method: GTE}\n",
        STEP + "- {action: http.request, with: {uri: x}}\n",
        STEP + "- {action: http.requst, url: x}\n",
        STEP + "- {wait: 1s, message: hi}\n",
        STEP + "- {wait: 1s, with: {a: 1}}\n",
        STEP + "- {action: log.info, retry: {maxx: 1}}\n",
        STEP + "- {parallel: {branches: {}}}\n",
        STEP + "- {parallel: true}\n",
        STEP + "- {parallel: {branches: {a: [{wait: 1s}]}}, join: any}\n",
        STEP + "- {parallel: {branches: {a: [{wait: 1s}]}, join: some}}\n",
        STEP + "- {parallel: {branches: {a: [{wait: 1s}]}, join: {count: 0}}}\n",
        STEP + "- {parallel: {branches: {a: [{wait: 1s}]}, join: {count: 1, until: branches.a}}}\n",
        STEP + "- {for_each: event.data}\n",
        STEP + "- {for_each: [], steps: [{wait: 1s}]}\n",
        STEP + "- {for_each: event.data, max: 2, steps: [{wait: 1s}]}\n",
        STEP + "- {while: event.data, max: 0, steps: [{wait: 1s}]}\n",
        STEP + "- {while: event.data, until: event.data, steps: [{wait: 1s}]}\n",
        STEP + "- {switch: []}\n",
        STEP + "- {switch: [{if: event.id}]}\n",
        STEP + "- {switch: [{if: event.id, else: [{wait: 1s}]}]}\n",
        STEP + "- {call: y, version: 0}\n",
        STEP + "- {call: y, wait: 1s}\n",
        STEP + "- {wait_for: {event: a, on_timeout: [{wait: 1s}]}}\n",
        STEP + "- {wait_for: a, on_timeout: [{wait: 1s}]}\n",
        STEP + "- {approve: a}\n",
        STEP + "- {approve: {title: a, quorum: 0}}\n",
        STEP + "- {approve: {title: a, timeout: 1h, on_timeout: maybe}}\n",
        STEP + "- {state: {key: a}}\n",
        STEP + "- {state: {key: a, set: 1, add: 1}}\n",
        STEP + "- {state: {key: a, delete: false}}\n",
        STEP + "- {break: false}\n",
        STEP + "- {wait: 1s, undo: true}\n",
        TOP + "concurrency: 0\n",
        TOP + "rate_limit: {max: 1}\n",
        TOP + "singleton: 5\n",
        TOP + "undo: sometimes\n",
        TOP + "tests: [{expect: {status: completed}}]\n",
        TOP + "tests: [{name: a, expect: {status: done}}]\n",
        TOP + "tests: [{name: a, mock: {log_info: {output: 1, error: x}}}]\n",
        STEP + "- {action: log.info, retry: {max: 0}}\n",
    ],
)
def test_wrong_flows_are_not(accepts, read, text):
    assert read(text).flow is None
    assert not accepts(text)
