"""What tasks do, played in memory."""

import pytest

from reactor.language.dialects.openworkflow.problems import BASE, problem_of
from reactor.model.errors import ErrorInfo
from reactor.model.journal import Outcome
from reactor.runtime import dryrun
from reactor.runtime.virtual import START, VirtualClock
from tests.unit.language.openworkflow.kit import CATALOG, event, flow_of, play, read

# --- data flow ---------------------------------------------------------------------------------------------------


async def test_input_output_export_and_arguments():
    played = await play(
        """
input: {from: '{ who: .name }'}
do:
  - first:
      input: {from: '{ name: .who, context: $context }'}
      set: {greeting: '${ "Hello \\(.name)" }', input: '${ $input.name }', task: '${ $task.reference }',
        raw: '${ $task.input }'}
      output: {as: '. + { was: $input.context }'}
      export: {as: '{ seen: $output.greeting, before: $context }'}
  - second:
      set: {all: '${ . }', context: '${ $context }', workflow: '${ $workflow.input }', runtime: '${ $runtime.name }',
        version: '${ $workflow.definition.document.version }'}
output: {as: {result: '${ . }', kept: '${ $context.seen }'}}
""",
        {"name": "Ann"},
    )
    result = played.output["result"]
    assert played.output["kept"] == "Hello Ann"
    assert result["all"] == {
        "greeting": "Hello Ann", "input": "Ann", "task": "/do/0/first", "raw": {"who": "Ann"}, "was": {},
    }  # fmt: skip
    assert result["context"] == {"seen": "Hello Ann", "before": {}}
    assert result["workflow"] == {"name": "Ann"}
    assert (result["runtime"], result["version"]) == ("reactor", "0.1.0")


async def test_when_the_workflow_and_its_tasks_began():
    played = await play(
        "do: [{w: {wait: PT2S}}, {a: {set: {at: '${ $task.startedAt.epoch.milliseconds }',"
        " iso: '${ $task.startedAt.iso8601 }', whole: '${ $workflow.startedAt.epoch.seconds }'}}}]"
    )
    assert played.output == {"at": START + 2_000, "iso": "2026-01-01T00:00:02.000Z", "whole": None}


async def test_a_skipped_task_hands_its_input_on_and_its_directive_does_not_count():
    played = await play(
        """
do:
  - a: {set: {n: 1}}
  - b: {if: .n > 5, set: {n: 2}, export: {as: '{ b: true }'}, then: end}
  - c: {set: {n: '${ .n + 10 }', context: '${ $context }'}}
"""
    )
    assert played.output == {"n": 11, "context": {}}


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("the workflow's input", "input: {schema: {document: {type: array}}}\ndo: [{a: {set: {n: 1}}}]"),
        ("input of `a`", "do: [{a: {input: {schema: {document: {required: [x]}}}, set: {n: 1}}}]"),
        ("output of `a`", "do: [{a: {output: {schema: {document: {required: [x]}}}, set: {n: 1}}}]"),
        ("context after `a`", "do: [{a: {set: {n: 1}, export: {as: '.n', schema: {document: {type: string}}}}}]"),
        ("the workflow's output", "output: {schema: {document: {type: string}}}\ndo: [{a: {set: {n: 1}}}]"),
    ],
)
async def test_schemas_are_kept(where, text):
    played = await play(text, {"n": 1})
    assert where in played.error["message"]
    assert problem_of(played.error)["type"].endswith("/errors/validation")


# --- where to go -------------------------------------------------------------------------------------------------


async def test_jumps_forward_and_exit_and_continue():
    text = """
do:
  - start:
      switch: [{x: {when: .go == "far", then: far}}, {y: {when: .go == "out", then: exit}}, {z: {then: continue}}]
  - near: {set: {at: near}, then: exit}
  - far: {set: {at: far}}
"""
    assert (await play(text, {"go": "far"})).output == {"at": "far"}
    assert (await play(text, {"go": "out"})).output == {"go": "out"}
    assert (await play(text, {"go": "?"})).output == {"at": "near"}


async def test_a_way_back_is_a_loop():
    played = await play(
        """
do:
  - init: {set: {n: 0, seen: []}}
  - add: {set: {n: '${ .n + 1 }', seen: '${ .seen + [.n] }'}}
  - again: {switch: [{more: {when: .n < 4, then: add}}, {done: {then: continue}}]}
  - last: {set: '${ . + { last: true } }'}
"""
    )
    assert played.output == {"n": 4, "seen": [0, 1, 2, 3], "last": True}


async def test_tasks_are_laid_out_in_the_order_in_which_they_lead_to_one_another():
    text = """
do:
  - one: {set: {s: '${ [1] }'}, then: three}
  - two: {set: {s: '${ .s + [2] }'}, then: end}
  - three: {set: {s: '${ .s + [3] }'}, then: two}
"""
    assert [step.name for step in flow_of(text).steps if "-" not in step.name] == ["one", "three", "two"]
    assert (await play(text)).output == {"s": [1, 3, 2]}


BACK = """do:
        - b: {switch: [{x: {when: .n > 1, then: c}}, {y: {then: d}}]}
        - d: {set: {n: 2}, then: b}
        - c: {set: {over: true}, then: end}"""


@pytest.mark.parametrize(
    "inside",
    [
        "do: [{deep: {set: {over: true}, then: end}}, {never: {set: {over: false}}}]",
        "try: [{deep: {set: {over: true}, then: end}}, {never: {set: {over: false}}}]\n      catch: {}",
        "for: {in: '[1, 2]'}\n      do: [{deep: {set: {over: true}, then: end}}, {never: {set: {over: false}}}]",
        "fork: {branches: [{deep: {do: [{set1: {set: {over: true}, then: end}}, {no: {set: {over: 1}}}]}}]}",
        BACK,
        "for: {in: '[1]'}\n      do: [{inner: {for: {in: '[1, 2]'}, do: [{deep: {set: {over: true}, then: end}}]}}]",
        "try: [{x: {raise: {error: {type: x, status: 4}}}}]\n      catch: {do: [{y: {set: {over: true}, then: end}}]}",
    ],
    ids=["do", "try", "for", "fork", "loop", "nested", "catch"],
)
async def test_end_ends_the_workflow_from_any_depth(inside):
    played = await play(f"do:\n  - outer:\n      {inside}\n  - after: {{set: {{over: never}}}}\n", {})
    assert played.output == {"over": True}


async def test_exit_leaves_its_own_list_only():
    played = await play(
        "do: [{outer: {do: [{a: {set: {n: 1}, then: exit}}, {b: {set: {n: 2}}}]}}, {after: {set: {n: '${ .n + 10 }'}}}]"
    )
    assert played.output == {"n": 11}


# --- for, fork ---------------------------------------------------------------------------------------------------


async def test_for_carries_its_data_from_iteration_to_iteration():
    played = await play(
        """
do:
  - outer:
      for: {each: row, in: .rows, at: r}
      while: (.sum // 0) < 20
      do:
        - inner:
            for: {each: cell, in: $row, at: c}
            do: [{add: {set: {sum: '${ (.sum // 0) + $cell }', at: '${ (.at // []) + ["\\($r).\\($c)"] }'}}}]
""",
        {"rows": [[1, 2], [], [30], [5]]},
    )
    assert played.output == {"sum": 33, "at": ["0.0", "0.1", "2.0"]}


async def test_for_without_items_hands_its_input_on_and_refuses_what_is_no_list():
    text = "do: [{a: {for: {in: .x}, do: [{b: {set: {n: 1}}}]}}]"
    assert (await play(text, {"x": []})).output == {"x": []}
    played = await play(text, {"x": 5})
    assert "`for.in` of `a` gave no list" in played.error["message"]


async def test_fork_gives_the_outputs_in_the_order_of_its_branches():
    played = await play(
        """
do:
  - both:
      fork:
        branches:
          - slow: {do: [{w: {wait: {seconds: 5}}}, {s: {set: {n: '${ .n + 1 }'}}}]}
          - quick: {set: {n: '${ .n * 10 }'}}
          - skipped: {if: 'false', set: {n: 0}}
""",
        {"n": 2},
    )
    assert played.output == [{"n": 3}, {"n": 20}, {"n": 2}]


async def test_competing_branches_have_one_winner():
    played = await play(
        """
do:
  - race:
      fork:
        compete: true
        branches:
          - bad: {raise: {error: {type: x, status: 400}}}
          - slow: {do: [{w: {wait: PT1H}}, {s: {set: {who: slow}}}]}
          - quick: {do: [{w: {wait: PT1S}}, {s: {set: {who: quick}}}]}
"""
    )
    assert played.output == {"who": "quick"}


# --- errors ------------------------------------------------------------------------------------------------------


async def test_raise_with_expressions_and_reuse():
    played = await play(
        """
use:
  errors:
    broken: {type: https://example.com/errors/not-done, status: 501, title: Not Done, detail: '${ "no \\(.what)" }'}
do: [{a: {do: [{b: {raise: {error: broken}}}]}}]
""",
        {"what": "way"},
    )
    assert played.error["kind"] == "not-done"
    assert played.error["message"] == "no way"
    assert problem_of(played.error) == {
        "type": "https://example.com/errors/not-done", "status": 501, "title": "Not Done", "detail": "no way",
        "instance": "/do/0/a/do/0/b",
    }  # fmt: skip


CATCH = """
do:
  - a:
      try: [{b: {raise: {error: {type: '%(base)scommunication', status: 503, detail: busy}}}}]
      catch: {%(catch)s}
  - c: {set: '${ { was: . } }'}
"""


@pytest.mark.parametrize(
    ("catch", "caught"),
    [
        ("", True),
        ("errors: {with: {status: 503}}", True),
        ("errors: {with: {status: 500}}", False),
        ("errors: {with: {type: 'https://open-workflow-specification.org/dsl/errors/types/communication'}}", True),
        ("errors: {with: {type: 'https://example.com/communication'}}", False),
        ("errors: {with: {instance: /do/0/a/try/0/b}}", True),
        ("when: $error.status == 503", True),
        ("as: e, when: $e.status == 500", False),
        ('exceptWhen: $error.detail == "busy"', False),
    ],
)
async def test_what_is_caught(catch, caught):
    played = await play(CATCH % {"base": BASE, "catch": catch}, {"n": 1})
    if caught:
        assert played.output == {"was": {"n": 1}}
    else:
        assert played.error["kind"] == "http.503"
        assert problem_of(played.error)["instance"] == "/do/0/a/try/0/b"


async def test_catch_do_sees_the_error_and_gives_the_output():
    catch = "as: e, do: [{d: {set: {status: '${ $e.status }', n: '${ .n }'}}}]"
    played = await play(CATCH % {"base": BASE, "catch": catch}, {"n": 1})
    assert played.output == {"was": {"status": 503, "n": 1}}


async def test_catch_then_goes_elsewhere():
    text = """
do:
  - a: {try: [{b: {if: .bad, raise: {error: {type: x, status: 400}}}}], catch: {then: failed}}
  - fine: {set: {status: ok}, then: end}
  - failed: {set: {status: failed}}
"""
    assert (await play(text, {"bad": True})).output == {"status": "failed"}
    assert (await play(text, {"bad": False})).output == {"status": "ok"}


@pytest.mark.parametrize(
    ("policy", "pauses"),
    [
        ("delay: {seconds: 2}, limit: {attempt: {count: 3}}", [2, 2, 2]),
        ("delay: {seconds: 2}, backoff: {exponential: {}}, limit: {attempt: {count: 3}}", [2, 4, 8]),
        ("delay: PT2S, backoff: {linear: {}}, limit: {attempt: {count: 2}}", [2, 4]),
        ("delay: PT2S, backoff: {constant: {}}, limit: {attempt: {count: 0}}", []),
        ("delay: PT2S, when: $error.status == 500", []),
        ("delay: PT10S, limit: {duration: PT25S}", [10, 10]),
    ],
)
async def test_retries(policy, pauses):
    text = """
do:
  - a:
      try: [{b: {call: http, with: {method: get, endpoint: 'https://example.com/{x}'}}}]
      catch: {retry: {%s}}
"""
    failing = Outcome(None, ErrorInfo("http.503", "busy", retryable=True))
    times = []

    def mock(path, params):
        times.append(path)
        return failing

    played = await play(text % policy, {"x": "a b/c"}, mock)
    assert played.error["kind"] == "http.503"
    assert len(times) == len(pauses) + 1
    assert played.calls[0][1].url == "https://example.com/a%20b%2Fc"
    assert round((played.runtime.now() - 1_767_225_600_000) / 1000) == sum(pauses)


async def test_retry_until_it_works():
    answers = [Outcome(None, ErrorInfo("http.503", "busy")), {"body": {"ok": True}, "status_code": 200}]
    played = await play(
        """
use: {retries: {often: {delay: PT1S, jitter: {from: PT0S, to: PT1S}}}}
do:
  - a:
      try: [{b: {call: http, with: {method: get, endpoint: https://example.com}}}, {c: {set: {got: '${ .ok }'}}}]
      catch: {errors: {with: {status: 503}}, retry: often}
""",
        {},
        lambda _path, _params: answers.pop(0),
    )
    assert played.output == {"got": True}


@pytest.mark.parametrize(
    "task", ["wait: PT1H", "do: [{w: {wait: PT1H}}]", "listen: {to: {one: {with: {type: never}}}}"]
)
async def test_timeouts(task):
    played = await play(f"use: {{timeouts: {{short: {{after: PT5S}}}}}}\ndo: [{{a: {{{task}, timeout: short}}}}]")
    assert problem_of(played.error)["status"] == 408


async def test_the_time_of_the_workflow():
    played = await play("timeout: {after: {seconds: 5}}\ndo: [{a: {wait: {hours: 1}}}]")
    assert problem_of(played.error)["type"].endswith("/timeout")


async def test_the_time_of_a_try_is_not_caught_by_itself():
    played = await play("do: [{a: {try: [{b: {wait: PT1H}}], catch: {}, timeout: {after: PT1S}}}]")
    assert problem_of(played.error)["status"] == 408


# --- events ------------------------------------------------------------------------------------------------------


async def test_emit_gives_the_event():
    played = await play(
        "do: [{a: {emit: {event: {with: {type: a.b, source: https://s, subject: x, data: {n: '${ .n }'}, ext: 5}}}}}]",
        {"n": 7},
    )
    assert played.runtime.emitted == [
        {"type": "a.b", "data": {"n": 7}, "source": "https://s", "subject": "x", "metadata": {"ext": 5}}
    ]
    assert played.output["data"] == {"n": 7}
    assert {"id", "time", "specversion"} <= set(played.output)


HOT, FAST = event("t", {"v": 39}, 1), event("bpm", {"v": 120}, 2)


@pytest.mark.parametrize(
    ("to", "inbox", "wanted"),
    [
        ("one: {with: {type: t}}", [FAST, HOT], [{"v": 39}]),
        ("one: {with: {type: t, data: '${ .v > 40 }'}}", [HOT, event("t", {"v": 41}, 3)], [{"v": 41}]),
        ("one: {with: {type: 'b.*'}}", [HOT, FAST], [{"v": 120}]),
        ("any: [{with: {type: x}}, {with: {type: bpm}}]", [HOT, FAST], [{"v": 120}]),
        ("any: []", [FAST, HOT], [{"v": 120}]),
        ("all: [{with: {type: t}}, {with: {type: bpm}}]", [FAST, HOT], [{"v": 39}, {"v": 120}]),
        ("any: [], until: '( . | length ) > 1'", [FAST, HOT, event("late", 1, 3)], [{"v": 120}, {"v": 39}]),
        ("any: [{with: {type: t}}], until: {one: {with: {type: stop}}}", [HOT, FAST, event("stop", 1, 3)], [{"v": 39}]),
    ],
)
async def test_listen(to, inbox, wanted):
    played = await play(f"do: [{{a: {{listen: {{to: {{{to}}}}}}}}}]", {}, inbox=inbox)
    assert played.output == wanted


async def test_the_first_event_and_those_of_reactor_itself_are_not_listened_for():
    first = event("a.b", 1, 1)
    inbox = [first, event("reactor.approval.decided", 2, 2), event("a.b", 3, 3)]
    text = "schedule: {on: {one: {with: {type: a.b}}}}\ndo: [{a: {listen: {to: {any: []}}}}]"
    assert (await play(text, start=first, inbox=inbox)).output == [3]


async def test_listen_reads_the_envelope_and_correlates():
    inbox = [
        event("order", {"id": 1}, 1, metadata={"room": "a"}),
        event("paid", {"id": 2}, 2),
        event("paid", {"id": 1}, 3),
    ]
    played = await play(
        """
do:
  - a:
      listen:
        read: envelope
        to:
          all:
            - {with: {type: order}, correlate: {id: {from: .data.id}}}
            - {with: {type: paid}, correlate: {id: {from: .data.id}}}
""",
        {},
        inbox=inbox,
    )
    assert [one["id"] for one in played.output] == ["e1", "e3"]
    assert played.output[0]["room"] == "a"
    correlate = "correlate: {id: {from: .data.id, expect: '${ .want }'}}"
    expecting = f"do: [{{a: {{listen: {{to: {{one: {{with: {{type: paid}}, {correlate}}}}}}}}}}}]"
    assert (await play(expecting, {"want": 1}, inbox=inbox)).output == [{"id": 1}]


@pytest.mark.parametrize(
    "to", ["any: [], until: '( . | length ) == 2'", "all: [{with: {type: bpm}}, {with: {type: t}}]"]
)
async def test_listen_foreach(to):
    played = await play(
        f"""
do:
  - a:
      listen: {{to: {{{to}}}}}
      foreach:
        item: seen
        at: i
        do: [{{b: {{set: {{v: '${{ $seen.v }}', i: '${{ $i }}', dot: '${{ .v }}'}}}}}}]
        output: {{as: '. + {{ n: .v }}'}}
""",
        {},
        inbox=[FAST, HOT],
    )
    assert played.output == [{"v": 120, "i": 0, "dot": 120, "n": 120}, {"v": 39, "i": 1, "dot": 39, "n": 39}]


# --- calls and runs ----------------------------------------------------------------------------------------------


async def test_http_parameters():
    answer = {"status_code": 200, "headers": {"x": "1"}, "body": {"id": 5}, "success": True}
    played = await play(
        """
use: {secrets: [token]}
do:
  - a:
      call: http
      with:
        method: post
        endpoint: {uri: 'https://example.com/{id}', authentication: {bearer: {token: '${ $secrets.token }'}}}
        headers: {X-A: '${ .h }', X-Auth: '${ $authorization.scheme }'}
        query: {q: [1, 2]}
        body: {n: '${ .id }'}
        output: response
        redirect: true
""",
        {"id": 3, "h": "v"},
        lambda _path, _params: answer,
        token="s3cret-token",
    )
    params = played.calls[0][1]
    assert (params.url, params.method, params.json) == ("https://example.com/3", "POST", {"n": 3})
    assert params.headers == {"X-A": "v", "X-Auth": "Bearer"}
    assert params.auth.bearer == "s3cret-token"
    assert (params.query, params.success, params.follow_redirects) == ({"q": [1, 2]}, "200-399", True)
    assert played.output["request"]["uri"] == "https://example.com/3"
    assert (played.output["statusCode"], played.output["content"]) == (200, {"id": 5})
    assert "s3cret-token" not in str(played.runtime.committed)


async def test_functions_are_called_with_their_arguments():
    played = await play(
        """
use:
  functions:
    double: {input: {schema: {document: {required: [n]}}}, set: {n: '${ .n * 2 }'}}
    twice: {do: [{x: {call: double, with: {n: '${ .n }'}}}, {y: {call: double, with: {n: '${ .n }'}}}]}
do: [{a: {call: twice, with: {n: '${ .start }'}, output: {as: .n}}}]
""",
        {"start": 3},
    )
    assert played.output == 12


async def test_shell_returns():
    ended = {"exit_code": 3, "stdout": "out", "stderr": "err", "success": True}
    for how, wanted in (
        ("code", 3), ("stderr", "err"), ("none", None), ("all", {"code": 3, "stdout": "out", "stderr": "err"}),
    ):  # fmt: skip
        shell = "{command: echo $1, arguments: ['${ .x }'], environment: {A: 1}}"
        played = await play(
            f"do: [{{a: {{run: {{shell: {shell}, return: {how}}}}}}}]",
            {"x": "'; rm -rf"},
            lambda _path, _params: ended,
        )
        assert played.output == wanted
        assert played.calls[0][1].argv == ["/bin/sh", "-c", "echo $1", "sh", "'; rm -rf"]
        assert (played.calls[0][1].success_codes == "any") == (how in ("code", "all"))


async def test_another_workflow():
    seen = []

    def child(call):
        seen.append(call)
        return Outcome({"done": call.params})

    text = (
        "do: [{a: {run: {workflow: {namespace: x, name: Other, version: '1.0.0', input: {n: '${ .n }'}}, await: %s}}}]"
    )
    assert (await play(text % "true", {"n": 1}, child=child)).output == {"done": {"n": 1}}
    assert (await play(text % "false", {"n": 1}, child=child)).output == {"n": 1}
    assert [(call.flow, call.wait) for call in seen] == [("other", True)]


# --- the head ----------------------------------------------------------------------------------------------------


def test_the_flow_of_a_document():
    flow = flow_of(
        "input: {schema: {document: {type: object, required: [n]}}}\n"
        "schedule: {cron: '0 0 * * *', every: {minutes: 5}, after: PT1H, on: {any: [{with: {type: a.b, source: x}}]}}\n"
        "do: [{a: {set: {n: 1}}}]"
    )
    assert (flow.name, flow.labels) == ("probe", {"namespace": "test", "version": "0.1.0"})
    assert [(one.key, one.kind, one.config) for one in flow.triggers] == [
        ("probe/0", "schedule", {"cron": "0 0 * * *"}),
        ("probe/1", "schedule", {"every": "5m"}),
        ("probe/2", "schedule", {"after": "1h"}),
        ("probe/3", "event", {"event": "a.b", "source": "x"}),
    ]
    assert flow.inputs == {"type": "object", "required": ["n"]}


@pytest.mark.parametrize(("how", "wanted"), [("", {"n": 1}), ("read: data", {"n": 1}), ("read: envelope", "a.b")])
async def test_the_input_of_a_workflow_that_events_start(how, wanted):
    text = (
        f"schedule: {{on: {{one: {{with: {{type: a.b}}}}}}, {how}}}\ndo: [{{a: {{set: '${{ $workflow.input[0] }}'}}}}]"
    )
    output = (await play(text, start=event("a.b", {"n": 1}))).output
    assert (output["type"] if how.endswith("envelope") else output) == wanted


def test_a_flow_of_reactors_own_is_still_one():
    assert read("document: x\nname: a\nsteps: [{action: log.info, message: hi}]").flow is None
    flow = flow_of("document: {dsl: 1.0.0, namespace: a, name: b, version: 1.0.0}\ndo: [{a: {wait: PT1S}}]")
    assert flow.name == "b"


# --- dry runs ----------------------------------------------------------------------------------------------------


async def never(*_):
    raise AssertionError("nothing is really done")


async def test_what_only_a_real_run_knows_is_unknown_and_decides_nothing():
    text = """
do:
  - ask: {call: http, with: {method: get, endpoint: 'https://x/{id}'}, export: {as: '{ n: .n }'}}
  - pay:
      call: http
      with:
        method: post
        endpoint: https://x
        body: {fix: 1, id: '${ .id }', ctx: '${ $context.n }', sum: '${ .a + 1 }'}
  - sh: {run: {shell: {command: echo $1, arguments: ['${ .name }']}}}
  - rest: {wait: PT1H}
  - each: {for: {in: [{v: 1}, {v: 2}]}, do: [{s: {set: '${ . + [$item.v] }'}}]}
  - both: {fork: {branches: [{x: {set: {n: 1}}}, {y: {set: {n: '${ .n }'}}}]}}
  - look: {switch: [{a: {when: '.[1].n > 1', then: end}}, {b: {then: continue}}]}
"""
    around = dryrun.Around(actions=CATALOG.actions, clock=VirtualClock(), perform=never)
    plan = await dryrun.plan(around, flow_of(text), event("probe", {"id": 5}, metadata={"by": "hand"}), None)
    given = {one.path: one.params for one in plan.planned}
    assert given["ask"]["url"] == "https://x/5"
    assert given["pay"]["json"] == {
        "fix": 1, "id": "<ask.output.body.id>", "ctx": "<{ n: .n }.n>", "sum": "<.a + 1>",
    }  # fmt: skip
    assert given["sh"]["argv"][-1] == "<pay.output.body.name>"
    assert plan.ended is not None
    assert plan.ended.path == "look-end"
