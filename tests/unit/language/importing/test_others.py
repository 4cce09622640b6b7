"""Flows of the older Go engine in today's spelling, documents of the Open Workflow Specification as they are."""

import pytest

from reactor.language.importing import take_over
from reactor.model.errors import InvalidError
from reactor.model.flow import all_steps

OLD = """\
# Written for the older engine.

name: contact
on:
  event: http.request
  path: /webhook/contact
workflow:
  # why
  - name: say hello
    action: log.info
    message: "{{ .event.payload.name }} ({{ .event.type }})"
  - name: save
    action: shell.exec
    command: "echo '{{ .event.payload.text }}'"
    timeout: 10
    retry: {max: 3, backoff: exponential}
    if: '{{ and (eq .event.payload.topic "sales") (ne .event.payload.n 0) }}'
  - name: loud
    action: log.warn
    message: "{{ if .event.payload.x }}a{{ else }}b{{ end }} {{ .variables.save.stdout }}"
  - name: both
    parallel: true
    steps:
      - {name: a, action: log.info, message: "{{ .variables.execution_id }}"}
      - {name: b, action: log.info}
"""


def step(taken, path):
    return dict(all_steps(taken.flow))[path]


def test_the_older_spelling_becomes_todays(take):
    taken = take(OLD, "conduktr", file="contact.yaml")
    assert taken.flow.legacy is False
    assert taken.text.startswith(
        "# Written for the older engine.\nname: contact\non: {webhook: /webhook/contact}\nsteps:\n  # why\n"
    )
    assert taken.steps == {
        "say_hello": "action",
        "save": "action",
        "loud": "action",
        "both": "parallel",
        "both.branches.a.a": "action",
        "both.branches.b.b": "action",
    }
    event = {"type": "t", "data": {"name": "Ann", "topic": "sales", "n": 1}}
    assert step(taken, "say_hello").params.evaluate({"event": event}) == {"message": "Ann (t)"}
    assert step(taken, "say_hello").params.evaluate({"event": {"type": "t", "data": {}}}) == {"message": " (t)"}
    save = step(taken, "save")
    assert (save.timeout, save.retry.max, save.retry.delay, save.retry.jitter) == (10_000, 3, 2_000, 0)
    assert save.if_.evaluate({"event": event})
    assert not save.if_.evaluate({"event": {"type": "t", "data": {"topic": "other"}}})
    assert "{{ if .event.payload.x }}a{{ else }}b{{ end }}" in taken.text
    assert "run.id" in taken.text
    assert step(taken, "both").fail_fast is False
    assert taken.coverage.percent == 100
    assert any("say_hello" in note for note in taken.coverage.notes)


def test_flows_with_errors_are_refused_with_all_of_them(catalog):
    with pytest.raises(InvalidError, match=r"old.yaml:4:\d+: error: there is no action `nope`"):
        take_over("name: x\nworkflow:\n  - name: a\n    action: nope\n", "conduktr", catalog=catalog, file="old.yaml")


@pytest.mark.parametrize("text", ["", "a: b\n", "- a\n", "name: x\n"])
def test_what_is_no_flow_is_refused(catalog, text):
    with pytest.raises(InvalidError, match="no flow of the older engine"):
        take_over(text, "conduktr", catalog=catalog)


def test_documents_run_as_they_are(take):
    text = "document: {dsl: '1.0.3', namespace: a, name: b, version: '0.1.0'}\ndo:\n  - one:\n      set: {x: 1}\n"
    taken = take(text, "openworkflow")
    assert taken.text == text
    assert taken.coverage.percent == 100
    assert len(taken.coverage.constructs) >= 1


def test_documents_with_errors_are_refused(catalog):
    with pytest.raises(InvalidError, match="error"):
        take_over("document: {dsl: '1.0.3'}\ndo:\n  - one: {nope: 1}\n", "openworkflow", catalog=catalog)
