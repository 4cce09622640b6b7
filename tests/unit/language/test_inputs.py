import pytest

from reactor.language.inputs import check_inputs, check_schema

ORDER = {
    "type": "object",
    "required": ["id"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "integer"},
        "currency": {"type": "string", "default": "EUR"},
        "customer": {"$ref": "#/$defs/customer"},
        "delivery": {"type": "object", "default": {}, "properties": {"days": {"default": 3}}},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"count": {"default": 1}}}},
    },
    "$defs": {"customer": {"type": "object", "properties": {"tags": {"type": "array", "default": []}}}},
}


def test_defaults_are_filled_in_at_every_level():
    given = {"id": 1, "customer": {}, "lines": [{}, {"count": 2}]}
    filled, problems = check_inputs(ORDER, given)
    assert problems == []
    assert filled == {
        "id": 1,
        "currency": "EUR",
        "customer": {"tags": []},
        "delivery": {"days": 3},
        "lines": [{"count": 1}, {"count": 2}],
    }
    assert given == {"id": 1, "customer": {}, "lines": [{}, {"count": 2}]}


def test_a_default_is_never_shared():
    first, _ = check_inputs(ORDER, {"id": 1, "customer": {}})
    first["customer"]["tags"].append("x")
    second, _ = check_inputs(ORDER, {"id": 1, "customer": {}})
    assert second["customer"]["tags"] == []


def test_all_problems_are_told_with_their_places():
    _, problems = check_inputs(ORDER, {"customer": {"tags": 1}, "lines": [{}, 5], "idd": 1})
    text = "\n".join(problems)
    assert "customer.tags: 1 is not of type" in text
    assert "lines[1]: 5 is not of type" in text
    assert "'idd' was unexpected" in text
    assert '"id" is a required property' in text


def test_there_is_an_end_to_problems_and_to_circles():
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    _, problems = check_inputs(schema, {str(n): "x" for n in range(1_000)})
    assert len(problems) == 21
    circle = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
    assert check_inputs(circle, {"x": 1}) == ({"x": 1}, [])
    tree = {"properties": {"left": {"$ref": "#", "default": {}}}}
    check_inputs(tree, {})


@pytest.mark.parametrize(
    "schema",
    [{"type": "strin"}, {"$ref": "https://schema.example/x"}, [], {"pattern": "("}, {"$ref": "#/$defs/none"}, True],
)
def test_a_wrong_schema_is_said_and_nothing_is_fetched(schema):
    assert check_schema(schema)
    if isinstance(schema, dict):
        assert check_inputs(schema, {})[1][0].startswith("`inputs` is no JSON Schema")


def test_patterns_take_linear_time():
    _, problems = check_inputs({"properties": {"p": {"pattern": "^(a+)+$"}}}, {"p": "a" * 5_000 + "b"})
    assert len(problems) == 1
    assert len(problems[0]) < 300
