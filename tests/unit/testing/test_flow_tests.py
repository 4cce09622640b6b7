"""`reactor.testing.run_flow_tests`: what a flow test can do, and what it says when it fails."""

import textwrap

import pytest

from reactor.model.errors import InvalidError
from reactor.testing import play_flow_tests, run_flow_tests

ORDER = """
    name: big-order
    on: {event: order.created}
    if: event.data.total > 100
    steps:
      - name: charge
        action: http.request
        with: {method: POST, url: "https://pay.example/charge", json: {order: "{{ event.data.id }}"}}
        retry: {max: 5, backoff: exponential, delay: 1s, max_delay: 1m}
        timeout: 20s
        undo: {action: http.request, with: {method: POST, url: "https://pay.example/refund"}}
      - name: tell
        action: http.request
        with: {method: POST, url: "https://chat.example", json: {text: "{{ steps.charge.output.body.amount }}"}}
"""


@pytest.fixture
def check(tmp_path):
    """Runs tests of a flow, given as YAML; the report."""

    def run(flow, tests, **others):
        for name, text in {"flow": flow, "flow.test": tests, **others}.items():
            (tmp_path / f"{name}.yaml").write_text(textwrap.dedent(text))
        return run_flow_tests(tmp_path)

    return run


def one(report):
    """The messages of the only test."""
    assert not report.problems, report.text()
    (result,) = report.results
    return [mismatch.message for mismatch in result.mismatches]


def case(text, name="it"):
    """A file with one test."""
    return f"tests:\n  - name: {name}\n" + textwrap.indent(textwrap.dedent(text).strip("\n"), "    ") + "\n"


def test_the_example_of_the_language(check):
    report = check(
        ORDER,
        """
        tests:
          - name: a big order is charged, then refunded when telling fails
            event: {type: order.created, data: {id: 7, total: 250}}
            mock: {charge: {output: {body: {amount: 250}}}, tell: {error: http.500}}
            advance: 3d
            expect: {status: failed, steps: {charge: completed, tell: failed}, called: [charge, tell, charge.undo]}
        """,
    )
    assert report.passed, report.text()


def test_conditions_are_asked(check):
    assert one(check(ORDER, case("event: {data: {total: 20}}\nexpect: {matches: false}"))) == []
    assert one(check(ORDER, case("event: {data: {total: 200}}\nexpect: {matches: true}"))) == []
    (message,) = one(check(ORDER, case("event: {data: {total: 200}}\nexpect: {matches: false}")))
    assert message == "expected that the event starts nothing, but it starts the flow"
    (message,) = one(check(ORDER, case("event: {data: {total: 20}}\nexpect: {status: completed}")))
    assert message.startswith("the event does not start the flow: if: `event.data.total > 100` is false")
    assert "event.data.total = 20" in message
    (message,) = one(check(ORDER, case("event: {type: other, data: {total: 200}}\nexpect: {matches: true}")))
    assert message == "the event does not start the flow: its type 'other' does not fit 'order.created'"


def test_a_condition_that_cannot_be_evaluated_is_no_proof_that_it_says_no(check):
    (message,) = one(check(ORDER, case("event: {data: {}}\nexpect: {matches: false}")))
    assert message.startswith("the event starts nothing, but only because of an error: if: `event.data.total >")


def test_a_webhook_that_is_switched_off_is_asked_as_well(check):
    flow = """
        name: hook
        on: {webhook: /hooks/x, enabled: false}
        unless: event.data.draft
        steps: [{name: out, return: "{{ event.type }} {{ event.metadata.path }}"}]
    """
    assert one(check(flow, case("event: {data: {draft: true}}\nexpect: {matches: false}"))) == []
    text = "event: {data: {draft: false}, metadata: {path: /hooks/x}}\nexpect: {output: http.request /hooks/x}"
    assert one(check(flow, case(text))) == []


def test_one_answer_an_attempt_and_time_in_between(check):
    text = """
        event: {data: {id: 1, total: 200}}
        mock:
          charge: [{error: http.503}, {error: {kind: connection, message: reset}}, {output: {body: {amount: 1}}}]
          tell: {output: {}}
        expect: {status: completed, called: [charge, tell], outputs: {charge: {body: {amount: 1}}}}
    """
    assert one(check(ORDER, case(text))) == []


def test_an_answer_that_takes_longer_than_the_timeout_of_an_attempt(check):
    text = """
        event: {data: {id: 1, total: 200}}
        mock: {charge: [{output: {}, after: 21s}, {error: http.400}], tell: {output: {}}}
        expect: {error: {kind: http.400}}
    """
    (message, unused) = one(check(ORDER.replace("max: 5", "max: 2"), case(text.replace("{kind: http.400}", "timeout"))))
    assert unused == "the mock of `tell` was not asked: the step called nothing"
    assert message == "expected an error of kind timeout, it is http.400: http.400 (mocked)"
    assert one(check(ORDER.replace("max: 5", "max: 2"), case(text))) == []


def test_what_is_not_mocked_and_touches_something_fails_the_test_even_where_errors_are_handled(check):
    flow = """
        name: tidy
        steps:
          - name: gone
            action: file.delete
            with: {path: /nowhere/x}
            continue_on_error: true
    """
    (message,) = one(check(flow, case("expect: {status: completed}")))
    assert message == (
        "step `gone` calls `file.delete`, which changes something outside, and the test has no mock for it; add\n"
        "      mock: {gone: {output: {}}}"
    )
    reading = flow.replace("file.delete", "file.read")
    assert "which reads something outside" in one(check(reading, case("expect: {status: completed}")))[0]


def test_actions_that_touch_nothing_are_really_done_and_count_only_where_they_are_named(check):
    flow = """
        name: csv
        on: {event: table}
        steps:
          - {name: say, action: log.info, message: hello}
          - {name: read, action: data.csv, parse: "{{ event.data }}"}
        outputs: "{{ steps.read.output.output }}"
    """
    text = 'event: {data: "a,b\\n1,2\\n"}\nexpect: {output: [{a: "1", b: "2"}], called: []}'
    assert one(check(flow, case(text))) == []
    assert one(check(flow, case(text.replace("called: []", "called: [read]")))) == []
    assert one(check(flow, case(text.replace("called: []", "called: [say, read]")))) == []
    (message,) = one(check(flow, case(text.replace("called: []", "called: [read, say]"))))
    assert message.startswith("other steps were called than expected: ")


def test_three_days_pass_at_once_and_the_run_is_looked_at(check):
    flow = """
        name: nap
        on: {event: nap}
        steps:
          - {name: rest, wait: 3d}
          - {name: done, set: {at: "{{ now() }}"}}
    """
    text = "event: {}\nnow: 2026-11-23T09:00:00Z\nexpect: {status: completed, vars: {at: '2026-11-26T09:00:00.000Z'}}"
    assert one(check(flow, case(text))) == []
    assert one(check(flow, case("event: {}\nadvance: 2d\nexpect: {status: waiting}"))) == []
    assert one(check(flow, case("event: {}\nadvance: 3d\nexpect: {status: completed}"))) == []
    text = "event: {}\nadvance: 2d\nexpect: {status: completed, steps: {done: completed}}"
    message, second = one(check(flow, case(text)))
    assert second == "expected step `done` to be completed, it never ended; no step did"
    assert message.startswith("expected the run to be completed, it is waiting")


WAITING = """
    name: paid
    on: {event: order.placed}
    steps:
      - name: paid
        wait_for: {event: order.paid, if: received.data.id == event.data.id, timeout: 3d}
    outputs: "{{ steps.paid.output.data.by }}"
"""


def test_events_that_come_while_it_runs(check):
    text = """
        event: {data: {id: 4}}
        send:
          - {after: 1h, type: order.paid, data: {id: 5, by: cash}}
          - {after: 2d, type: order.paid, data: {id: 4, by: card}}
        expect: {output: card}
    """
    assert one(check(WAITING, case(text))) == []
    assert one(check(WAITING, case(text.replace("2d", "4d").replace("output: card", "error: timeout")))) == []
    late = text.replace("expect: {output: card}", "advance: 1d\n        expect: {status: waiting}")
    assert one(check(WAITING, case(late))) == []


def test_what_a_run_waits_for_is_told(check):
    flow = WAITING.replace(", timeout: 3d", "")
    (message,) = one(check(flow, case("event: {data: {id: 4}}\nexpect: {status: completed}")))
    assert message.startswith("expected the run to be completed, it is waiting: ")
    assert "order.paid" in message


APPROVAL = """
    name: ask
    on: {event: ask}
    steps:
      - name: ok
        approve: {title: Buy, by: [ann, bob], quorum: 2, timeout: 2d, on_timeout: reject}
      - name: bought
        if: steps.ok.output.decision == 'approved'
        emit: {type: bought, data: {by: "{{ steps.ok.output.by }}"}}
"""


def test_people_decide(check):
    both = "event: {}\napprove: [{by: ann, after: 1h}, {by: bob, after: 2h}]\n"
    assert one(check(APPROVAL, case(both + "expect: {emitted: [{type: bought, data: {by: [ann, bob]}}]}"))) == []
    late = both.replace("after: 2h", "after: 3d")
    assert one(check(APPROVAL, case(late + "expect: {emitted: [], steps: {bought: skipped}}"))) == []
    no = "event: {}\napprove: [{step: ok, by: bob, decision: reject}]\n"
    assert one(check(APPROVAL, case(no + "expect: {emitted: []}"))) == []
    (message,) = one(check(APPROVAL, case(no + "expect: {emitted: [{type: bought}]}")))
    assert message.startswith('other events were emitted than expected: expected ["bought"], got []')


def test_durable_state(check):
    flow = """
        name: count
        on: {event: seen}
        steps:
          - {name: more, state: {key: n, add: 2}}
          - {name: last, state: {key: "last-{{ event.data }}", set: "{{ steps.more.output }}"}}
    """
    assert one(check(flow, case("event: {data: x}\nstate: {n: 3}\nexpect: {state: {n: 5, last-x: 5}}"))) == []
    messages = one(check(flow, case("event: {data: x}\nexpect: {state: {n: 5, other: 1}}")))
    assert messages[0] == "`n` in state is not as expected: expected 5, got 2"
    assert messages[1] == "there is no `other` in state; there is last-x, n"


def test_a_called_flow_really_runs(check):
    flow = """
        name: parent
        on: {event: go}
        steps:
          - {name: pay, call: child, with: {amount: "{{ event.data.amount }}"}}
        outputs: "{{ steps.pay.output }}"
    """
    child = """
        name: child
        inputs: {type: object, required: [amount], properties: {amount: {type: integer, minimum: 1}}}
        steps:
          - {name: charge, action: http.request, with: {method: POST, url: "https://pay.example/{{ inputs.amount }}"}}
          - {name: rest, wait: 2h}
          - {name: done, return: "{{ steps.charge.output.body }}"}
    """
    text = """
        event: {data: {amount: 5}}
        mock: {pay.charge: {output: {body: ok}}}
        expect: {output: ok, called: [pay, pay.charge], steps: {pay.rest: completed}}
    """
    assert one(check(flow, case(text), child=child)) == []
    whole = "event: {data: {amount: 5}}\nmock: {pay: {output: all}}\nexpect: {output: all, called: [pay]}"
    assert one(check(flow, case(whole), child=child)) == []
    wrong = "event: {data: {amount: 0}}\nexpect: {error: {kind: input, message: amount}}"
    assert one(check(flow, case(wrong), child=child)) == []


def test_a_called_flow_that_is_not_there_has_to_be_mocked(tmp_path):
    flow = tmp_path / "parent.yaml"
    test = "tests: [{name: it, expect: {status: completed}}]\n"
    flow.write_text("name: parent\nsteps: [{name: pay, call: child}]\n" + test)
    (result,) = run_flow_tests(flow).results
    assert "calls the flow `child`, which is in none of these files" in result.mismatches[0].message


def test_a_cancel_goes_down_and_its_steps_end(check):
    flow = """
        name: parent
        on: {event: go}
        steps:
          - name: limited
            timeout: 1h
            steps: [{name: pay, call: child}]
            on_error: [{name: late, return: "{{ error.kind }}"}]
    """
    child = """
        name: child
        steps:
          - {name: rest, wait: 2h, finally: [{name: tidy, emit: {type: tidied}}]}
    """
    text = "event: {}\nexpect: {output: timeout, emitted: [{type: tidied}], steps: {pay.rest: cancelled}}"
    assert one(check(flow, case(text), child=child)) == []


def test_loops_branches_and_their_undo(check):
    flow = """
        name: fan
        on: {event: fan}
        steps:
          - name: each
            for_each: "{{ event.data }}"
            steps:
              - name: put
                action: file.write
                with: {path: "/x/{{ item }}", content: "{{ index }}"}
                undo: {action: file.delete, with: {path: "/x/{{ item }}"}}
          - name: both
            parallel:
              branches:
                a: [{name: x, action: file.read, with: {path: /a}}]
                b: [{name: x, wait: 1h}, {name: y, return: 5}]
          - {name: no, fail: {kind: enough, message: no more}}
    """
    text = """
        event: {data: [p, q]}
        mock: {put: {outputs: [first, second]}, both.branches.a.x: {output: 1}}
        expect:
          error: {kind: enough, message: no more}
          called: ["each[0].put", "each[1].put", x, "each[1].put.undo", "each[0].put.undo"]
          outputs: {"each": [first, second], "each[1].put": second, both.branches.b.y: 5}
          steps: {each[].put: completed, no: failed}
    """
    assert one(check(flow, case(text.replace("each[].put:", "'each[].put':")))) == []


def test_secrets_and_the_environment_are_the_tests_own(check, monkeypatch):
    monkeypatch.setenv("REGION", "real")
    flow = """
        name: keys
        on: {event: keys}
        steps:
          - {name: hash, action: data.hash, with: {text: "{{ secrets.KEY }}"}}
          - {name: say, set: {region: "{{ env.REGION | default('none') }}"}}
    """
    known = "event: {}\nsecrets: {KEY: k}\nenv: {REGION: eu}\nexpect: {vars: {region: eu}, steps: {hash: completed}}"
    assert one(check(flow, case(known))) == []
    assert one(check(flow, case("event: {}\nexpect: {vars: {region: none}, steps: {hash: completed}}"))) == []


def test_inputs_are_checked_and_filled_in(check):
    flow = """
        name: sum
        inputs: {type: object, required: [a], properties: {a: {type: integer}, b: {type: integer, default: 2}}}
        steps: [{name: done, return: "{{ inputs.a + inputs.b }}"}]
    """
    assert one(check(flow, case("inputs: {a: 1}\nexpect: {output: 3}"))) == []
    (message,) = one(check(flow, case("inputs: {b: 1}\nexpect: {output: 3}")))
    assert message.startswith("the inputs do not fit: ")
    assert "a" in message


def test_a_failed_run_is_no_passed_test_unless_it_is_expected(check):
    flow = "name: bad\nsteps: [{name: no, fail: {kind: mine, message: why}}]\n"
    (message,) = one(check(flow, case("expect: {called: []}")))
    assert message == "the run is failed, which nothing expects at `no`: mine: why"
    assert one(check(flow, case("expect: {error: mine}"))) == []
    assert one(check(flow, case("expect: {error: {message: hy}}"))) == []


def test_differences_are_told_at_the_line_of_the_expectation(check):
    text = """
        tests:
          - name: first
            event: {data: {id: 1, total: 200}}
            mock:
              charge: {output: {body: {amount: 1}}}
              tell: {output: {status_code: 200, body: {text: hello, words: [1, 2, 3], more: some more text}}}
            expect:
              status: completed
              outputs:
                charge: {body: {amount: 2}}
              output: {status_code: 200, body: {text: hello, words: [1, 2, 4], more: some more text}}
    """
    report = check(ORDER, text)
    assert not report.passed
    shown = report.text()
    assert "flow.test.yaml:11: the output of step `charge` is not as expected: " in shown
    assert 'expected {"body": {"amount": 2}}, got {"body": {"amount": 1}}' in shown
    assert "flow.test.yaml:12: output is not as expected: - expected, + got" in shown
    assert "\n        -      4\n        +      3\n" in shown
    assert shown.endswith("1 test of 1 flow: 0 passed, 1 failed (0.0 s)\n")
    assert [problem["line"] for problem in report.as_data()["tests"][0]["problems"]] == [12, 11]


def test_tests_in_the_file_and_beside_it(tmp_path):
    inside = "tests:\n  - {name: inside, expect: {output: 2}}\n"
    (tmp_path / "one.yaml").write_text("name: one\nsteps: [{name: r, return: 1}]\n" + inside)
    (tmp_path / "one.test.yaml").write_text("- {name: beside, expect: {output: 1}}\n")
    (tmp_path / "two.yaml").write_text("name: two\nsteps: [{name: r, return: 1}]\n")
    report = run_flow_tests(tmp_path)
    assert [(result.name, result.passed) for result in report.results] == [("inside", False), ("beside", True)]
    assert report.results[0].line == 4
    assert f"{tmp_path}/one.yaml:4: output is not as expected: expected 2, got 1" in report.text()
    assert [r.name for r in run_flow_tests(tmp_path / "one.yaml").results] == ["inside", "beside"]
    assert [r.name for r in run_flow_tests(tmp_path / "one.test.yaml").results] == ["beside"]
    assert run_flow_tests(tmp_path / "two.yaml").results == []
    assert not run_flow_tests(tmp_path / "two.yaml").passed


def test_files_that_are_wrong_are_told(tmp_path):
    (tmp_path / "one.yaml").write_text("name: one\nsteps: [{name: r, retrun: 1}]\n")
    (tmp_path / "one.test.yaml").write_text("- {name: it}\n")
    report = run_flow_tests(tmp_path)
    assert not report.passed
    assert any("retrun" in problem.message for problem in report.problems)
    assert len(report.problems) == 1
    (tmp_path / "other.test.yaml").write_text("- {name: it}\n")
    report = run_flow_tests(tmp_path)
    assert report.problems[1].message.startswith("this file tests nothing: there is no other.yaml beside it")
    with pytest.raises(InvalidError, match="there is no"):
        run_flow_tests(tmp_path / "none")


def test_steps_that_are_not_there_are_refused(check):
    report = check(ORDER, case("event: {data: {}}\nmock: {chrage: {output: 1}}\nexpect: {called: [pay.charge]}"))
    assert not report.passed
    assert {problem.rule for problem in report.problems} == {"unknown-step"}
    assert len(report.problems) == 2


def test_a_flow_that_never_ends_is_stopped(check, tmp_path):
    flow = """
        name: endless
        on: {event: go}
        steps:
          - name: spin
            while: "true"
            max: 1000000
            steps: [{name: x, set: {n: 1}}]
    """
    check(flow, case("event: {}\nexpect: {matches: true}"))
    (tmp_path / "flow.test.yaml").write_text(case("event: {}\nexpect: {status: completed}"))
    (result,) = run_flow_tests(tmp_path, longest=0.3).results
    assert "took longer than" in result.mismatches[0].message


async def test_it_can_be_awaited(tmp_path):
    test = "tests: [{name: t, expect: {output: 1}}]"
    (tmp_path / "one.yaml").write_text("name: one\nsteps: [{name: r, return: 1}]\n" + test)
    assert (await play_flow_tests(tmp_path)).passed
    with pytest.raises(RuntimeError, match="await play_flow_tests"):
        run_flow_tests(tmp_path)


def test_ends_of_other_flows_runs(check):
    flow = """
        name: after
        on: {run: {flow: "order-*", status: [failed]}}
        steps: [{name: r, return: event.data.flow}]
    """
    assert one(check(flow, case("event: {data: {flow: order-1}}\nexpect: {output: order-1}"))) == []
    assert one(check(flow, case("event: {data: {flow: other}}\nexpect: {matches: false}"))) == []
    (message,) = one(check(flow, case("event: {type: run.completed, data: {flow: order-1}}\nexpect: {matches: true}")))
    assert message.endswith("does not fit the end of a run of 'order-*' (run.failed)")


def test_a_pattern_that_is_matched_and_a_batch(check):
    flow = """
        name: brute
        on: {pattern: {by: event.data.user, within: 5m, count: {event: login.failed, at_least: 3}}}
        batch: {size: 3, for: 1m}
        steps: [{name: r, return: "[event.data.key, events | length]"}]
    """
    assert one(check(flow, case("event: {data: {key: ann, events: []}}\nexpect: {output: [ann, 1]}"))) == []
