"""What is wrong in a document is told with its place, and what is not supported by its name."""

import pytest

from tests.unit.language.openworkflow.kit import HEAD, read, refusals

NOT_SUPPORTED = [
    ("do: [{a: {call: grpc, with: {}}}]", "`call: grpc` is not supported; call the service's HTTP gateway"),
    ("do: [{a: {call: asyncapi, with: {}}}]", "`call: asyncapi` is not supported; use `emit` and `listen`"),
    ("do: [{a: {call: mcp, with: {}}}]", "`call: mcp` is not supported"),
    ("do: [{a: {call: a2a, with: {}}}]", "`call: a2a` is not supported"),
    ("do: [{a: {call: 'log:1.0@default'}}]", "the cataloged function `log:1.0@default` is not supported"),
    ("do: [{a: {run: {container: {image: x}}}}]", "`run: container` is not supported"),
    ("do: [{a: {run: {script: {language: ruby, code: x}}}}]", "the script language `ruby` is not supported"),
    ("do: [{a: {run: {script: {language: js, source: {endpoint: x}}}}}]", "`run.script.source` is not supported"),
    ("do: [{a: {run: {shell: {command: x}, await: false}}}]", "`await: false` with `shell` is not supported"),
    ("do: [{a: {listen: {to: {any: []}, read: raw}}}]", "`read: raw` is not supported"),
    ("do: [{a: {listen: {to: {any: [], until: {all: []}}}}}]", "`until: {all: …}` is not supported"),
    ("use: {extensions: [], catalogs: {}}\ndo: [{a: {set: {n: 1}}}]", "`use.extensions` is not supported"),
    (
        "schedule: {on: {any: [], until: .x}}\ndo: [{a: {set: {n: 1}}}]",
        "`schedule.on.until` is not supported",
    ),
    ("evaluate: {language: js}\ndo: [{a: {set: {n: 1}}}]", "the expression language `js` is not supported"),
    ("evaluate: {mode: loose}\ndo: [{a: {set: {n: 1}}}]", "the mode `loose` is not supported"),
    (
        "input: {schema: {resource: {endpoint: x}}}\ndo: [{a: {set: {n: 1}}}]",
        "`input.schema.resource` is not supported",
    ),
    ("input: {schema: {format: avro, document: {}}}\ndo: [{a: {set: {n: 1}}}]", "the schema format `avro`"),
    (
        "do: [{a: {call: http, with: {method: get, endpoint: {uri: 'https://x', authentication: {digest: {}}}}}}]",
        "`digest` authentication is not supported",
    ),
]
WRONG = [
    ("dos: [{a: {set: {n: 1}}}]", "has no key `dos`; did you mean `do`?"),
    ("do: []", "`do` has no tasks"),
    ("do: {a: {set: {n: 1}}}", "`do` is a list, not a map"),
    ("do: [{a: {set: {n: 1}}, b: {set: {n: 1}}}]", "each of `do` is a map with one name"),
    ("do: [{a: {sett: {n: 1}}}]", "the task `a` does nothing; did you mean `set`?"),
    ("do: [{a: {set: {n: 1}, wait: PT1S}}]", "a task does one thing, `a` has `set` and `wait`"),
    ("do: [{a: {set: {n: 1}, thn: end}}]", "`a` has no key `thn`; did you mean `then`?"),
    ("do: [{a: {set: {n: 1}, then: bb}}, {b1: {set: {n: 1}}}]", "there is no task `bb` in this list to go on with"),
    ("do: [{a: {do: [{in: {set: {n: 1}, then: b}}]}}, {b: {set: {n: 1}}}]", "there is no task `b` in this list"),
    ("do: [{a: {set: '${ .n | }'}}]", "`set`: jq cannot read it"),
    ("do: [{a: {if: '$nobody.x', set: {n: 1}}}]", "there is no `$nobody` here; there is $context"),
    ("do: [{a: {set: {n: '${ $secrets.x }'}}}]", "there is no secret `x` under `use.secrets`"),
    ("use: {secrets: [x]}\ndo: [{a: {set: {n: '${ $secrets.x }'}}}]", "`$secrets` can be used in the parameters"),
    ("do: [{a: {wait: soon}}]", "`wait`: 'soon' is not a duration"),
    ("do: [{a: {wait: {seconds: -1}}}]", "`wait.seconds` is a whole number, zero or more"),
    ("do: [{a: {wait: {second: 1}}}]", "`wait` has no key `second`; did you mean `seconds`?"),
    ("do: [{a: {call: http, with: {method: get}}}]", "`call: http` has no `endpoint`"),
    ("do: [{a: {call: htp, with: {}}}]", "there is no function `htp`; did you mean `http`?"),
    ("do: [{a: {call: http, with: {method: get, endpoint: x, output: body}}}]", "`with.output` is one of"),
    ("do: [{a: {raise: {error: nobody}}}]", "there is no `nobody` under `use.errors`"),
    ("do: [{a: {raise: {error: {type: x}}}}]", "an error has a `status`"),
    ("do: [{a: {try: [{b: {set: {n: 1}}}]}}]", "`try` has no `catch`"),
    ("do: [{a: {try: [{b: {set: {n: 1}}}], catch: {retry: x}}}]", "there is no `x` under `use.retries`"),
    ("do: [{a: {set: {n: 1}, timeout: x}}]", "there is no `x` under `use.timeouts`"),
    ("do: [{a: {listen: {to: {}}}}]", "`listen.to` has one of `one`, `any`, `all`"),
    ("do: [{a: {listen: {to: {one: {with: {}}}}}}]", "has no `with`"),
    ("do: [{a: {emit: {event: {with: {data: 1}}}}}]", "`emit.event.with` has no `type`"),
    ("do: [{a: {run: {shell: {command: '${ .x }'}}}}]", "is code and takes no `${ … }` of data"),
    ("do: [{a: {run: {shell: {command: 'echo ${ .x }'}}}}]", "is code and takes no `${ … }` of data"),
    ("do: [{a: {switch: [{x: {when: .n}}]}}]", "the case `x` has no `then`"),
    ("do: [{a: {switch: [{x: {then: end}}, {y: {then: end}}]}}]", "a switch has one case without `when`"),
    ("do: [{a: {for: {each: x}, do: [{b: {set: {n: 1}}}]}}]", "`for` has no `in`"),
    ("schedule: {cron: '99 * * * *'}\ndo: [{a: {set: {n: 1}}}]", "schedule: "),
    ("input: {schema: {document: {type: nothing}}}\ndo: [{a: {set: {n: 1}}}]", "`input.schema.document`"),
    (
        "use: {functions: {f: {call: g}, g: {call: f}}}\ndo: [{a: {call: f}}]",
        "the function `f` calls itself and would never end",
    ),
    ("use: {functions: {unused: {wait: soon}}}\ndo: [{a: {set: {n: 1}}}]", "`wait`: 'soon' is not a duration"),
    (
        "do: [{a: {wait: P1D}}]\nschedule: {on: {all: [{with: {id: a}, correlate: {x: {from: .x}}}, {with: {id: b}}]}}",
        "each event has the same names under `correlate`",
    ),
    ("do: [{a: {set: just text}}]", "`set` is a map, or one `${ … }`"),
]


@pytest.mark.parametrize(("text", "message"), [*NOT_SUPPORTED, *WRONG], ids=lambda one: one[:50])
def test_refused_with_its_place(text, message):
    found = refusals(text)
    assert any(message in one for one in found), found
    assert all(int(one.partition(":")[0]) >= 1 for one in found)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("document: {dsl: '1.0.3', namespace: a, version: 1.0.0}", "`document` has no `name`"),
        ("document: {dsl: '0.8', namespace: a, name: b, version: 1.0.0}", "this is DSL 0.8; Reactor reads DSL 1.0.x"),
        ("document: {dsl: '1.0.3', namespace: a, name: b c, version: 1.0.0}", "`document.name` is made of letters"),
        ("document: {dsl: '1.0.3', namespace: a, name: b, version: 1.0.0, nam: c}", "has no key `nam`"),
    ],
)
def test_heads(head, message):
    assert any(message in one for one in refusals(head + "\ndo: [{a: {set: {n: 1}}}]"))


def test_all_problems_are_told_at_once_with_their_columns():
    loaded = read(HEAD + "do:\n  - a: {wait: soon}\n  - b: {call: grpc}\n  - c: {set: {n: '${ $x }'}}\n")
    assert [(one.line, one.column) for one in loaded.problems] == [(3, 15), (4, 15), (5, 18)]


def test_a_text_with_an_expression_in_its_middle_is_a_warning():
    loaded = read("do: [{a: {set: {text: 'Hello ${ .name }'}}}]")
    assert loaded.flow is not None
    assert [problem.rule for problem in loaded.problems] == ["looks-like-expression"]


def test_an_envelope_that_is_read_as_data_is_a_warning():
    loaded = read("schedule: {on: {one: {with: {type: a}}}}\ndo: [{a: {set: '${ $workflow.input[0].data.x }'}}]")
    assert [problem.rule for problem in loaded.problems] == ["schedule-read"]


def test_a_task_that_nothing_leads_to_is_a_warning():
    loaded = read("do: [{a: {set: {n: 1}, then: c}}, {b: {set: {n: 2}}}, {c: {set: {n: 3}}}]")
    assert [(problem.rule, problem.text) for problem in loaded.problems] == [("unreachable", "b")]
