"""Expressions: what is read in Python has to be what jq itself says."""

import pytest

from reactor.language.dialects.openworkflow.jq import UNSURE, Program, unwrapped
from reactor.language.expressions import jq
from reactor.language.expressions.limits import ExpressionSyntaxError, Refusal

DATA = {
    "a": {"b": [10, 20, {"c": "x"}], "n": None, "t": True, "one": 1, "text": "1", "f": 1.0, "odd-key": 5},
    "list": [1, 2, 3],
    "": "empty",
}
PROGRAMS = r"""
.
.a
.a.b
.a.b[0]
.a.b[-1].c
.a.b[9]
.a.b[-9]
.missing
.missing.deep[3].x
.["a"]
.a["odd-key"]
."a"
.a."odd-key"
.[""]
$v
$v.a.t
$v["list"][1]
true
false
null
17
"text"
  .a.one
.a.one == 1
.a.one == true
.a.t == true
.a.t == 1
.a.f == 1
.a.text == 1
.a.text == "1"
.a.n == null
.missing != null
.missing == .a.n
.a.b[2].c != "x"
.a == .a
.list == .list
1 == 1
.a.n != false
.list | length
.a.b + [1]
[.list[] | . * 2]
.a.one < 2
.and
.a.and
"a\(.a.one)"
-1
01
1.50
..|numbers|select(.>19)|tostring|select(.=="20")
.a .one
.a. one
$v .a.one
.a.b [0]
. a
if .a.t then 1 else 2 end
[.a.one, $v.a.one] # end
""".strip("\n").splitlines()


@pytest.mark.parametrize("text", PROGRAMS)
def test_the_python_part_answers_as_jq(text):
    try:
        wanted = jq.run(f".v as $v | .i | (\n{text}\n)", _json({"i": DATA, "v": DATA}), everything=False)
    except Refusal:
        wanted = None
    if wanted is None or len(wanted) > 1:
        with pytest.raises((Refusal, ExpressionSyntaxError)):
            _run(text)
        return
    assert _run(text) == wanted[0]
    assert type(_run(text)) is type(wanted[0])


@pytest.mark.parametrize("text", [".a.b.c", ".list.x", ".a[0]", ".a.one.x", ".a.text[0]", ".list == 1"])
def test_in_doubt_jq_is_asked(text):
    quick = Program(text, {})._quick
    assert quick is not None
    assert quick(lambda _scope: DATA, {}, {}) is UNSURE


def test_wrong_types_fail_in_the_words_of_jq():
    with pytest.raises(Refusal, match="Cannot index number with"):
        _run(".a.one.x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".a |", "jq cannot read it"),
        ("$nobody", r"there is no `\$nobody` here; there is \$v"),
        (".a + $nobody.x", r"there is no `\$nobody` here"),
        ("now", "not available"),
        ("input", "not available"),
        (".[]", "several results"),
    ],
)
def test_what_is_wrong_is_told(text, message):
    with pytest.raises((ExpressionSyntaxError, Refusal), match=message):
        _run(text)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("${ .a }", ".a"),
        ("  ${.a}\n", ".a"),
        ("${\n .a\n}", ".a"),
        ("a ${ .a }", None),
        ("$.a", None),
        ("${ .a } b", None),
        (".a", None),
    ],
)
def test_enclosures(text, inside):
    assert unwrapped(text) == inside


def test_numbers_beyond_doubles_keep_their_digits_where_jq_would_round():
    assert _run(".big", {"big": 2**60 + 1}) == 2**60 + 1


def _run(text, data=DATA):
    return Program(text, {"v": lambda _scope: data}).run(lambda _scope: data, {})


def _json(value):
    import msgspec

    return msgspec.json.encode(value).decode()
