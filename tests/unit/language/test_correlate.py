"""What a condition looks for at one place of a candidate."""

import pytest

from reactor.language.expressions import correlations

SCOPE = {"event": {"data": {"id": 7, "a-b": "x"}}, "inputs": {"n": 1}, "item": 3}


def found(text: str) -> list[tuple[tuple[str, ...], object]]:
    return [(path, expr.evaluate(SCOPE)) for path, expr in correlations(text, "received")]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("received.data.id == event.data.id", [(("data", "id"), 7)]),
        ("event.data.id == received.data.id", [(("data", "id"), 7)]),
        ("{{ received.subject == 'x' }}", [(("subject",), "x")]),
        ("received.data['a-b'] == event.data['a-b'] and received.data.n > 1", [(("data", "a-b"), "x")]),
        (
            "received.data.n > 1 and (received.data.x == inputs.n and received.id == item)",
            [(("data", "x"), 1), (("id",), 3)],
        ),
        ("received.data.ok == true", [(("data", "ok"), True)]),
        ("received.data.id == event.data.id or received.data.all", []),
        ("not received.data.id == event.data.id", []),
        ("received.data.id == event.data.id == 7", []),
        ("received.data.id != event.data.id", []),
        ("received.data.id == received.data.other", []),
        ("received == event", []),
        ("received.data.id == vars.id", []),
        ("received.data.id == state.id", []),
        ("received.data.id == event.data.id + 1", []),
        ("received.data[0] == 1", []),
        ("received.data.id | int == 1", []),
        ("event.data.id == 7", []),
        ("{% if x %}received.data.id == 1{% endif %}", []),
        ("{{ received.data.id }} == {{ event.data.id }}", []),
        ("received.data.id ==", []),
        ("given", []),
    ],
)
def test_equalities_that_have_to_hold(text, wanted):
    assert found(text) == wanted
