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


ACTION = Action(name="db.query", handler=lambda _c, _p: None, params=Params, effect=Effect.READ, literal=("sql",))
CATALOG = Catalog([Connector(name="db", actions=(ACTION,))])


@pytest.mark.parametrize("sql", ['"select {{ event.data }}"', '"{{ event.data }}"', '"select {% if a %}1{% endif %}"'])
def test_a_template_in_code_is_refused(sql: str) -> None:
    loaded = load(f"name: a\nsteps:\n  - {{name: q, action: db.query, sql: {sql}}}\n", file=None, catalog=CATALOG)
    assert loaded.flow is None
    assert [problem.rule for problem in loaded.problems] == ["code-from-data"]


def test_values_go_into_the_parameters() -> None:
    text = 'name: a\nsteps:\n  - {name: q, action: db.query, sql: "select :x", params: {x: "{{ event.data }}"}}\n'
    assert load(text, file=None, catalog=CATALOG).flow is not None
