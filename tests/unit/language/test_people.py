"""`wait_for` and `approve`: what they are in the model, and what is refused where."""

import pytest

from reactor.model.flow import Escalation, walk

HEAD = "name: x\nsteps:\n"


def paths(steps):
    return [path for path, _ in walk(steps)]


def test_wait_for(steps):
    (step,) = steps(
        "- name: paid\n"
        "  wait_for:\n"
        "    event: order.*\n"
        "    source: shop\n"
        "    if: received.data.id == event.data.id\n"
        "    timeout: 2h\n"
        "    on_timeout: [{fail: not paid}]\n"
        "  timeout: 1d\n"
    )
    assert type(step).__name__ == "WaitForStep"
    assert (step.event, step.source, step.limit, step.timeout) == ("order.*", "shop", 7_200_000, 86_400_000)
    scope = {"received": {"data": {"id": 7}}, "event": {"data": {"id": 7}}}
    assert step.accept.evaluate(scope) is True
    assert paths([step]) == ["paid", "paid.on_timeout.fail"]


def test_wait_for_a_type(steps):
    first, second = steps("- wait_for: order.paid\n- wait_for: {event: reactor.approval.decided}\n")
    assert (first.name, first.event, first.accept, first.limit, first.on_timeout) == (
        "wait_for", "order.paid", None, None, None,
    )  # fmt: skip
    assert second.event == "reactor.approval.decided"


def test_a_timeout_may_be_computed(steps):
    (step,) = steps("- wait_for: {event: a, timeout: '{{ event.data.t }}'}")
    assert step.limit.evaluate({"event": {"data": {"t": "5m"}}}) == "5m"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("- wait_for:", ["3:12 wrong-type"]),
        ("- wait_for: 5", ["3:13 wrong-type"]),
        ("- wait_for: [a]", ["3:13 wrong-type"]),
        ("- wait_for: {}", ["3:13 missing-key"]),
        ("- wait_for: {evnt: a}", ["3:13 missing-key", "3:14 unknown-key"]),
        ("- wait_for: {event: order*}", ["3:21 pattern"]),
        ("- wait_for: order..paid", ["3:13 pattern"]),
        ("- wait_for: '{{ event.type }}'", ["3:13 constant"]),
        ("- wait_for: {event: a, source: ' '}", ["3:32 no-value"]),
        ("- wait_for: {event: a, if: recieved.data}", ["3:28 unknown-name"]),
        ("- wait_for: {event: a, if: received.dta}", ["3:37 unknown-name"]),
        ("- wait_for: {event: a, if: event.data.id}", ["3:28 correlation?"]),
        ("- wait_for: {event: a, if: true}", []),
        ("- wait_for: {event: a, timeout: 0s}", ["3:33 out-of-range"]),
        ("- wait_for: {event: a, on_timeout: [{wait: 1s}]}", ["3:24 missing-key"]),
        ("- wait_for: {event: a, timeout: 1h, on_timeout: []}", ["3:49 no-value"]),
        ("- wait_for: {event: a, timeout: 1h, on_timeout: }", ["3:49 no-value"]),
        ("- wait_for: {event: a, timeout: 1h, on_timeout: [{acton: a}]}", ["3:51 unknown-key"]),
        ("- {wait_for: a, on_timeout: [{wait: 1s}]}", ["3:17 unknown-key"]),
        ("- {wait_for: a, output: received.data}", ["3:25 not-here"]),
        ("- {wait_for: {event: a, if: secrets.A == received.id}}", ["3:29 not-here"]),
    ],
)
def test_problems_of_wait_for(told, text, found):
    assert told(HEAD + text) == found


def test_what_to_do_about_a_correlation_that_never_asks(read):
    (problem,) = read(HEAD + "- wait_for: {event: a, if: event.data.id == 7}").problems
    assert "received.data.id == event.data.id" in problem.message
    assert "inside `wait_for:`" in read(HEAD + "- {wait_for: a, on_timeout: [{wait: 1s}]}").problems[0].message


def test_steps_on_timeout_are_not_seen_outside(told):
    text = HEAD + "- wait_for: {event: a, timeout: 1h, on_timeout: [{name: i, wait: 1s}]}\n"
    assert told(text + "- {if: steps.i.status, wait: 1s}\n") == ["4:14 unknown-step"]


def test_break_on_timeout_leaves_the_loop(told):
    inner = "{wait_for: {event: a, timeout: 1h, on_timeout: [{break: true}]}}"
    assert told(f"{HEAD}- {{while: event.data.x, steps: [{inner}]}}") == []


def test_approve(steps):
    (step,) = steps(
        "- name: ask\n"
        "  approve:\n"
        "    title: Ship order {{ event.data.id }}?\n"
        "    by: [ann, '{{ event.data.boss }}']\n"
        "    quorum: 2\n"
        "    form: {type: object, properties: {reason: {type: string}}}\n"
        "    timeout: 3d\n"
        "    on_timeout: reject\n"
        "    escalate: [{after: 1d, to: eve}, {after: '{{ event.data.t }}', to: [fay, gil]}]\n"
        "    notify:\n"
        "      - {name: mail, action: log.info, with: {message: '{{ approval.title }} {{ approval.link }}'}}\n"
    )
    assert type(step).__name__ == "ApproveStep"
    assert step.title.evaluate({"event": {"data": {"id": 7}}}) == "Ship order 7?"
    assert step.by.evaluate({"event": {"data": {"boss": "bob"}}}) == ["ann", "bob"]
    assert (step.quorum, step.limit, step.on_timeout) == (2, 259_200_000, "reject")
    assert step.form == {"type": "object", "properties": {"reason": {"type": "string"}}}
    assert [type(one) for one in step.escalate] == [Escalation, Escalation]
    assert (step.escalate[0].after, step.escalate[0].to.evaluate({})) == (86_400_000, "eve")
    assert step.escalate[1].to.evaluate({}) == ["fay", "gil"]
    assert paths([step]) == ["ask", "ask.notify[].mail"]


def test_approve_with_less(steps):
    first, second, third = steps(
        "- approve: {title: a}\n"
        "- approve: {title: b, by: '{{ vars.people }}', quorum: '{{ event.data.n }}', escalate: {after: 1h, to: x}}\n"
        "- approve: {title: c, timeout: 1h, on_timeout: [{set: {late: true}}]}\n"
    )
    assert (first.by, first.quorum, first.form, first.limit, first.on_timeout, first.escalate, first.notify) == (
        None, 1, None, None, None, (), (),
    )  # fmt: skip
    assert (len(second.escalate), second.quorum.evaluate({"event": {"data": {"n": 2}}})) == (1, 2)
    assert paths([third]) == ["approve-3", "approve-3.on_timeout.set"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("- approve:", ["3:11 wrong-type"]),
        ("- approve: Ship it?", ["3:12 wrong-type"]),
        ("- approve: {}", ["3:12 missing-key"]),
        ("- approve: {titel: a}", ["3:12 missing-key", "3:13 unknown-key"]),
        ("- approve: {title: [a]}", ["3:20 wrong-type"]),
        ("- approve: {title: a, by: []}", ["3:27 no-value"]),
        ("- approve: {title: a, by: {a: b}}", ["3:27 wrong-type"]),
        ("- approve: {title: a, by: [7]}", ["3:28 wrong-type"]),
        ("- approve: {title: a, by: ''}", ["3:27 wrong-type"]),
        ("- approve: {title: a, quorum: 0}", ["3:31 out-of-range"]),
        ("- approve: {title: a, by: ann, quorum: 2}", ["3:40 out-of-range"]),
        ("- approve: {title: a, by: [ann, ann], quorum: 2}", ["3:47 out-of-range"]),
        ("- approve: {title: a, by: [ann, bob], quorum: 2}", []),
        ("- approve: {title: a, by: ann, quorum: 2, escalate: {after: 1h, to: eve}}", []),
        ("- approve: {title: a, by: ann, quorum: 3, escalate: {after: 1h, to: eve}}", ["3:40 out-of-range"]),
        ("- approve: {title: a, by: '{{ event.data.p }}', quorum: 9}", []),
        ("- approve: {title: a, quorum: 9}", []),
        ("- approve: {title: a, form: {reason: {type: string}}}", ["3:29 schema"]),
        ("- approve: {title: a, form: {type: objct}}", ["3:29 schema"]),
        ("- approve: {title: a, form: text}", ["3:29 wrong-type"]),
        ("- approve: {title: a, on_timeout: reject}", ["3:23 missing-key"]),
        ("- approve: {title: a, timeout: 1h, on_timeout: rejct}", ["3:48 wrong-word"]),
        ("- approve: {title: a, timeout: 1h, on_timeout: []}", ["3:48 no-value"]),
        ("- approve: {title: a, escalate: []}", ["3:33 no-value"]),
        ("- approve: {title: a, escalate: {to: eve}}", ["3:33 missing-key"]),
        ("- approve: {title: a, escalate: {after: 1h}}", ["3:33 missing-key"]),
        ("- approve: {title: a, escalate: {after: 1h, to: eve, at: 1}}", ["3:54 unknown-key"]),
        ("- approve: {title: a, escalate: eve}", ["3:33 wrong-type"]),
        ("- approve: {title: a, timeout: 1h, escalate: {after: 2h, to: eve}}", ["3:46 no-effect?"]),
        ("- approve: {title: a, notify: []}", ["3:31 no-value"]),
        ("- approve: {title: a, notify: {wait: 1s}}", ["3:31 wrong-type"]),
        ("- approve: {title: '{{ approval.id }}'}", ["3:24 not-here"]),
        ("- approve: {title: '{{ secrets.A }}'}", ["3:24 not-here"]),
        ("- {approve: {title: a}, by: ann}", ["3:25 unknown-key"]),
    ],
)
def test_problems_of_approve(told, text, found):
    assert told(HEAD + text) == found


def test_links_of_an_approval_stay_out_of_the_journal(told):
    notify = HEAD + "- approve: {title: a, notify: [%s]}"
    assert told(notify % "{set: {x: '{{ approval.id }} {{ approval.people }}'}}") == []
    assert told(notify % "{action: log.info, message: '{{ approval.links.ann }}'}") == []
    assert told(notify % "{set: {x: '{{ approval.link }}'}}") == ["3:55 not-here"]
    assert told(notify % "{if: approval.links, wait: 1s}") == ["3:46 not-here"]
    assert told(notify % "{set: {x: '{{ approval }}'}}") == ["3:46 not-here"]
    assert told(notify % "{set: {x: '{{ approval.titel }}'}}") == ["3:55 unknown-name"]


def test_notify_does_not_leave_a_loop(told):
    inner = "{approve: {title: a, notify: [{break: true}]}}"
    assert told(f"{HEAD}- {{while: event.data.x, steps: [{inner}]}}") == ["3:64 break"]
