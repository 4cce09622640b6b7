"""Open Workflow documents that crash at every border: what they give is what they would have given."""

from collections import Counter
from typing import Any

import pytest

from reactor.language.loader import load
from reactor.model.errors import ErrorInfo
from reactor.model.journal import ActionCall, Entry, Outcome
from reactor.plugins.discovery import discover
from reactor.runtime.virtual import START, Crash, VirtualRuntime

CATALOG = discover()[0]
HEAD = "document: {dsl: '1.0.3', namespace: test, name: probe, version: '0.1.0'}\n"
CALL = "call: http, with: {method: post, endpoint: https://x/"
DOCUMENTS = {
    "back": f"""
do:
  - init: {{set: {{n: 0, seen: []}}}}
  - ask: {{{CALL}ask, body: '${{ . }}'}}, output: {{as: '$input + {{ seen: ($input.seen + [.path]) }}'}}}}
  - add: {{set: '${{ . + {{ n: (.n + 1) }} }}', export: {{as: '{{ n: .n, was: $context.n }}'}}}}
  - more: {{switch: [{{again: {{when: .n < 3, then: ask}}}}, {{done: {{then: last}}}}]}}
  - never: {{set: {{bad: true}}}}
  - last: {{{CALL}last, body: '${{ $context }}'}}, output: {{as: '{{ data: $input, context: $context }}'}}, then: end}}
  - after: {{set: {{bad: true}}}}
""",
    "loops": f"""
do:
  - rows:
      for: {{each: row, in: '[[1, 2], [3], [4, 5]]', at: r}}
      while: (.sum // 0) < 6
      do:
        - cells:
            for: {{each: cell, in: $row}}
            do:
              - ask: {{{CALL}cell, body: '${{ {{ cell: $cell, r: $r }} }}'}}, output: {{as: '$input'}}}}
              - add: {{set: {{sum: '${{ (.sum // 0) + $cell }}'}}}}
              - stop: {{if: .sum == 6, set: '${{ . }}', then: end}}
  - never: {{set: {{bad: true}}}}
""",
    "retry": f"""
do:
  - a:
      try:
        - first: {{{CALL}first}}, output: {{as: '.path'}}}}
        - flaky: {{{CALL}flaky}}, output: {{as: '[$input, .path]'}}}}
        - skip: {{if: 'false', set: {{bad: true}}}}
      catch:
        errors: {{with: {{status: 503}}}}
        as: e
        retry: {{delay: PT1S, backoff: {{exponential: {{}}}}, limit: {{attempt: {{count: 1}}}}}}
        do:
          - told: {{{CALL}told, body: '${{ $e.instance }}'}}, output: {{as: '{{ told: .path, status: $e.status }}'}}}}
        then: rest
  - not: {{set: {{bad: true}}}}
  - rest: {{wait: PT1H}}
  - b: {{{CALL}b, body: '${{ . }}'}}, output: {{as: '[$input, .path]'}}}}
""",
    "fork": f"""
do:
  - both:
      fork:
        branches:
          - x:
              do:
                - x1: {{{CALL}x1}}, export: {{as: '{{ x: 1 }}'}}}}
                - x2: {{wait: PT5S}}
                - x3: {{{CALL}x3, body: '${{ .path }}'}}}}
          - y: {{try: [{{y1: {{{CALL}flaky}}}}}}], catch: {{do: [{{y2: {{{CALL}y2}}}}}}]}}}}
  - race:
      fork:
        compete: true
        branches:
          - slow: {{wait: PT9S}}
          - quick: {{do: [{{q1: {{wait: PT1S}}}}, {{q2: {{{CALL}q2}}}}}}]}}
  - end: {{{CALL}end, body: '${{ . }}'}}, output: {{as: '[$input.path, .path, $context]'}}}}
""",
    "events": """
do:
  - many:
      listen: {to: {any: [{with: {type: a}}], until: {one: {with: {type: stop}}}}}
      foreach: {item: e, do: [{x: {emit: {event: {with: {type: seen, data: '${ $e }'}}}, output: {as: .data}}}]}
  - pair:
      listen:
        to: {all: [{with: {type: a}, correlate: {k: {from: .data}}}, {with: {type: b}, correlate: {k: {from: .data}}}]}
      output: {as: '{ many: $input, pair: . }'}
""",
}  # fmt: skip


def view(type: str, number: int, data: Any) -> dict[str, Any]:
    given = {"id": f"{type}{number}", "type": type, "data": data, "source": "t", "subject": None, "metadata": {}}
    return {**given, "time": "2026-01-01T00:00:00.000Z"}


COMING: list[tuple[str, int, Any]] = [("a", 1, 7), ("a", 2, 8), ("stop", 3, None), ("b", 4, 8), ("b", 5, 7)]
INBOX = [(START + 100 * at, view(*one)) for at, one in enumerate(COMING)]


def answer(_path: str, _call: ActionCall, params: Any) -> Outcome:
    path = params.url.rpartition("/")[2]
    if path == "flaky":
        return Outcome(None, ErrorInfo("http.503", "busy"))
    return Outcome({"status_code": 200, "headers": {}, "body": {"path": path}, "success": True})


async def played(text: str, crash_at: int | None, journal: list[Entry], at: int = START) -> tuple[Any, VirtualRuntime]:
    flow = load(HEAD + text, catalog=CATALOG).flow
    assert flow is not None
    runtime = VirtualRuntime(actions=CATALOG.actions, mock=answer, journal=journal, crash_at=crash_at, inbox=INBOX)
    runtime.clock.set(at)
    try:
        end = await runtime.play(flow, event={**view("probe", 0, {}), "metadata": {"by": "hand"}})
    except Crash:
        return None, runtime
    return end, runtime


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_crashes_change_nothing(name):
    text = DOCUMENTS[name]
    wanted, whole = await played(text, None, [])
    assert wanted.status == "completed", wanted.error
    assert "bad" not in str(wanted.output)
    assert whole.borders > 2
    for border in range(1, whole.borders + 1):
        crashed, runtime = await played(text, border, [])
        assert crashed is None
        end, again = await played(text, None, runtime.committed, runtime.now())
        assert end == wanted, f"after a crash at border {border}"
        twice = Counter([*runtime.effects, *again.effects]) - Counter(whole.effects)
        assert twice.total() <= 1, f"{twice} was done twice after a crash at border {border}"
