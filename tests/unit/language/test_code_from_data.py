"""Parameters that are code stand in the flow as they are."""

from __future__ import annotations

import msgspec
import pytest

from reactor.language.loader import load
from reactor.sdk import Action, Catalog, Connector, Effect


class Params(msgspec.Struct, forbid_unknown_fields=True):
    """A query."""

    sql: str
    params: dict[str, object] = {}


class Several(msgspec.Struct, forbid_unknown_fields=True):
    """Queries."""

    statements: list[Params]


ACTION = Action(name="db.query", handler=lambda _c, _p: None, params=Params, effect=Effect.READ, literal=("sql",))
SEVERAL = Action(
    name="db.all", handler=lambda _c, _p: None, params=Several, effect=Effect.WRITE, literal=("statements.sql",)
)
CATALOG = Catalog([Connector(name="db", actions=(ACTION, SEVERAL))])


@pytest.mark.parametrize("sql", ['"select {{ event.data }}"', '"{{ event.data }}"', '"select {% if a %}1{% endif %}"'])
def test_a_template_in_code_is_refused(sql: str) -> None:
    loaded = load(f"name: a\nsteps:\n  - {{name: q, action: db.query, sql: {sql}}}\n", file=None, catalog=CATALOG)
    assert loaded.flow is None
    assert [problem.rule for problem in loaded.problems] == ["code-from-data"]


def test_values_go_into_the_parameters() -> None:
    text = 'name: a\nsteps:\n  - {name: q, action: db.query, sql: "select :x", params: {x: "{{ event.data }}"}}\n'
    assert load(text, file=None, catalog=CATALOG).flow is not None


@pytest.mark.parametrize(
    "statements",
    [
        '"{{ event.data }}"',
        '["{{ event.data }}"]',
        '[{sql: "a"}, {sql: "{{ x }}"}]',
        '[{params: {a: "{{ event.data }}"}, sql: "{{ a }}"}]',
    ],
)
def test_a_template_in_a_list_of_code_is_refused(statements: str) -> None:
    text = f"name: a\nsteps:\n  - {{name: q, action: db.all, statements: {statements}}}\n"
    loaded = load(text, file=None, catalog=CATALOG)
    assert loaded.flow is None
    assert "code-from-data" in [problem.rule for problem in loaded.problems]


def test_values_go_into_the_parameters_of_a_list_of_code() -> None:
    inner = '[{sql: "select :x", params: {x: "{{ event.data }}"}}]'
    text = f"name: a\nsteps:\n  - {{name: q, action: db.all, statements: {inner}}}\n"
    assert load(text, file=None, catalog=CATALOG).flow is not None
