"""How steps are shown that stand in branches, iterations and cases."""

from reactor.engine import views
from reactor.language.loader import load
from reactor.model.journal import Entry
from reactor.plugins.discovery import discover

FLOW = """\
name: x
steps:
  - name: each
    for_each: event.data
    steps: [{name: pack, action: log.info, undo: {action: log.warn}}]
  - switch: [{if: event.data, steps: [{wait: 1s}]}, {else: [{name: tell, action: log.debug}]}]
  - {name: both, parallel: {branches: {a: [{name: i, set: {x: 1}}]}}}
on_cancel: [{name: stop, action: log.error}]
"""


def test_steps_inside_steps_are_shown_with_what_they_are():
    flow = load(FLOW, catalog=discover()[0]).flow
    paths = {
        "each": "for_each",
        "each[7].pack": "log.info",
        "each[7].pack.undo": "log.warn",
        "switch.cases[1].tell": "log.debug",
        "switch.cases[0].wait": "wait",
        "both.branches.a.i": "set",
        "on_cancel.stop": "log.error",
        "each[7].other": None,
    }
    known = {path: Entry(path, 1, status="completed") for path in paths}
    assert {step["path"]: step["action"] for step in views.steps(known, flow)} == paths
