"""Path patterns."""

import pytest

from reactor.connectors.file.config import FileConfig
from reactor.connectors.file.pattern import Pattern, parse


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("*", ["a", ".hidden", "a.tmp", "with\nnewline"], ["a/b", ".reactor-0.tmp"]),
        ("*.csv", ["a.csv", ".csv"], ["a.csv.gz", "x/a.csv", "acsv"]),
        ("**", ["a", "a/b", "a/b/c"], [""]),
        ("**/*.csv", ["a.csv", "x/a.csv", "x/y/a.csv"], ["a.txt", "x/a.csv/b"]),
        ("in/**/out/*.txt", ["in/out/a.txt", "in/x/y/out/a.txt"], ["in/a.txt", "out/a.txt"]),
        ("?.txt", ["a.txt"], ["ab.txt", "/.txt"]),
        ("[a-c]*", ["apple", "c"], ["d", "A"]),
        ("[!a-c]*", ["d"], ["apple", "/"]),
        ("[", ["["], ["a"]),
        ("[]]", ["]"], ["["]),
        ("*.{csv,tsv}", ["a.csv", "a.tsv"], ["a.{csv,tsv}", "a.txt"]),
        ("{a/b,c}/*", ["a/b/x", "c/x"], ["b/x", "a/x"]),
        ("\\*", ["*"], ["a"]),
        ("a+b(c).txt", ["a+b(c).txt"], ["aab(c).txt"]),
        ("[z-a]", ["[z-a]"], ["z"]),
    ],
)
def test_globs(glob, yes, no):
    pattern = Pattern("/root", glob)
    assert [name for name in yes if not pattern.matches(name)] == []
    assert [name for name in no if pattern.matches(name)] == []


@pytest.mark.parametrize(
    ("text", "root", "glob", "depth"),
    [
        ("inbox/**/*.csv", "/base/inbox", "**/*.csv", None),
        ("inbox/*/x/*.csv", "/base/inbox", "*/x/*.csv", 2),
        ("inbox", "/base/inbox", "*", 0),
        ("inbox/", "/base/inbox", "*", 0),
        ("folder.d", "/base/folder.d", "*", 0),
        ("inbox/report.csv", "/base/inbox", "report.csv", 0),
        ("report.csv/", "/base/report.csv", "*", 0),
        ("/abs/../other/./*", "/other", "*", 0),
        ("*.csv", "/base", "*.csv", 0),
        ("/*.csv", "/", "*.csv", 0),
        ("../up/**", "/up", "**", None),
    ],
)
def test_where_to_look(text, root, glob, depth):
    pattern = parse(text, "/base", lambda path: path.endswith(".d"))
    assert (pattern.root, pattern.glob, pattern.depth) == (root, glob, depth)


def test_covers_takes_whole_paths():
    assert Pattern("/", "*.csv").covers("/a.csv")
    assert Pattern("/in", "*.csv").covers("/in/a.csv")
    assert not Pattern("/in", "*.csv").covers("/inbox/a.csv")


@pytest.mark.parametrize(
    ("config", "part"),
    [
        ({}, "path is missing"),
        ({"path": " "}, "path is empty"),
        ({"path": "a\0b"}, "NUL"),
        ({"path": "a", "changes": []}, "changes is empty"),
        ({"path": "a", "settle": "soon"}, "settle: 'soon' is not a duration"),
        ({"path": "a", "settle": "2d"}, "more than a day"),
    ],
)
def test_what_check_refuses(config, part):
    problems = FileConfig(**config).problems()
    assert len(problems) == 1
    assert part in problems[0]
