"""Whatever stands in a file, the loader answers with problems at places inside it, and in time."""

import time

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reactor.language.loader import load

FLOW = """\
name: big-order
labels: {team: sales}
on:
  - {event: order.*, source: shop, if: event.data.total > 100, id: event.data.id}
  - {webhook: "/orders/{id}", methods: [POST], secret: "{{ secrets.HOOK }}"}
  - file: {path: inbox, changes: [created], settle: 2s}
inputs: {type: object, properties: {days: {type: integer}}}
vars: {tries: 0, who: "{{ event.data.name }}"}
timezone: Europe/Berlin
connections: {db: {type: sqlite, url: "{{ secrets.DB }}"}}
dedupe: {key: event.data.id, for: 1h}
steps:
  - name: charge
    action: http.request
    method: POST
    with: {url: "https://pay.example/charge", json: {order: "{{ event.data.id }}"}}
    retry: {max: 5, backoff: linear, delay: 1s, on: [timeout, http.5xx], if: attempt < 4}
    deadline: "{{ inputs.days }}d"
    on_error:
      - {action: log.info, message: "{{ error.message }}"}
  - name: block
    steps:
      - {name: inner, wait: 2h}
      - {wait: {until: "2026-11-23T09:00:00Z"}}
  - action: shell.exec
    command: |
      echo 'Hi {{ event.data.name }}' |
        tee "{{ vars.who }}"
  - emit: {type: order.charged, data: {id: "{{ event.data.id }}"}}
  - {call: other-flow, with: {id: "{{ steps.charge.output.id }}"}}
  - return: {a: "{{ steps.charge.output }}", b: [1, true, null]}
"""
LINES = FLOW.split("\n")
WORDS = ["name", "steps", "{{ event.id }}", "- ", "  ", "\t", ": ", "[", "}", "'", '"', "|", "&a ", "*a", "!x ", "<<: ",
         "\x00", "é", "\u2028", "null", "9" * 30, "{% if %}", "\ufeff", "---\n", "steps.x.output", "#", "0x", ".inf",
         "if", "retry"]  # fmt: skip


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_text_breaks_the_loader(catalog, data):
    text = FLOW
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = min(len(text), at + data.draw(st.integers(0, 30)))
        word = data.draw(st.sampled_from(WORDS) | st.text(max_size=6) | st.sampled_from(LINES))
        text = text[:at] + word + text[end:]
    _check_places(load(text, file="f.yaml", catalog=catalog), text)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(data=b"\xef\xbb\xbf")
@example(data=b"a: &a {<<: *a}")
def test_no_bytes_break_the_loader(catalog, data):
    loaded = load(data, file="f.yaml", catalog=catalog)
    assert loaded.flow is None
    assert loaded.problems


def _check_places(loaded, text):
    assert (loaded.flow is None) == any(problem.severity == "error" for problem in loaded.problems)
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for problem in loaded.problems:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert problem.column < problem.end_column <= max(len(lines[problem.line - 1]), problem.column) + 1
        assert problem.message


def test_a_thousand_small_flows_load_quickly(catalog):
    text = "name: f{0}\non: {{event: a.b{0}}}\nsteps: [{{name: a, action: log.info, m: '{{{{ event.data.n{0} }}}}'}}]\n"
    started = time.process_time()
    for number in range(1_000):
        assert load(text.format(number), catalog=catalog).flow is not None
    assert time.process_time() - started < 3
