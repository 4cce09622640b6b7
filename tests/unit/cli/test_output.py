import datetime as dt

import click
import pytest

from reactor.cli import output
from reactor.cli.options import read_json, set_values

NOW = dt.datetime(2026, 11, 23, 12, 0, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-23T11:59:59.500Z", "now"),
        ("2026-11-23T11:59:30Z", "30s ago"),
        ("2026-11-23T11:57:00Z", "3m ago"),
        ("2026-11-23T07:00:00Z", "5h ago"),
        ("2026-11-20T12:00:00Z", "3d ago"),
        ("2026-11-23T14:00:00Z", "in 2h"),
        (None, "-"),
    ],
)
def test_ages(text, shown):
    assert output.age(text, NOW) == shown


def test_times_are_local_and_dated_when_not_of_today():
    here = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert output.time("2026-11-20T12:00:00Z", NOW) == f"{here} (3d ago)"
    assert output.took("2026-11-20T12:00:00.000Z", "2026-11-20T12:00:00.250Z") == "250ms"
    assert output.took("2026-11-20T12:00:00.000Z", None) == "-"


def test_tables_are_aligned_and_hold_no_control_characters(capsys):
    output.table(("id", "what"), [["a", "x\n\x1b]0;evil\x07y"], ["long-one", None]], "none")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ID        WHAT")
    assert lines[2] == "long-one  -"
    assert "\n" not in lines[1]
    output.table(("id",), [], "no runs")
    assert capsys.readouterr() == ("", "no runs\n")


def test_values_from_strangers_cannot_colour_or_move_the_terminal():
    assert "\x1b" not in output.one_line("\x1b[31mred\x1b[0m \x9b2J")
    assert output.one_line("x" * 500).endswith("…")
    assert output.one_line({"a": "ü"}) == '{"a": "ü"}'


def test_json_arguments(tmp_path, monkeypatch):
    assert read_json(None) is None
    assert read_json('{"a": 1}') == {"a": 1}
    (tmp_path / "x.json").write_text("[1]")
    assert read_json(f"@{tmp_path}/x.json") == [1]
    with pytest.raises(click.BadParameter, match="a text is written"):
        read_json("hello")


def test_set_values():
    given = {"a": {"b": 1}}
    assert set_values(given, ("a.c=2", "name=Ann", "deep.er=true")) == {
        "a": {"b": 1, "c": 2},
        "name": "Ann",
        "deep": {"er": True},
    }
    assert given == {"a": {"b": 1}}
    assert set_values(None, ("x=1",)) == {"x": 1}
    assert set_values([1], ()) == [1]
    for wrong in ("x", "=1", "a.b.c=1"):
        with pytest.raises(click.BadParameter):
            set_values(given, (wrong,))
    with pytest.raises(click.BadParameter):
        set_values([1], ("x=1",))


def test_texts_of_others_do_not_speak_to_the_terminal():
    assert output.plain("a\tb\n\x1b]0;owned\x07c\x9b2J\u202e") == "a\tb\n\ufffd]0;owned\ufffdc\ufffd2J\ufffd"
