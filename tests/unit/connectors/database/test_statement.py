"""Reading SQL: parameters, kinds, and what hides in literals and comments."""

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from reactor.connectors.database.statement import read


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT :a, :b_2, :a", ("a", "b_2")),
        ("SELECT ':a', \":b\", `:c`", ()),
        ("SELECT 1 -- :a\n, :b", ("b",)),
        ("SELECT /* :a */ :b /* it's */", ("b",)),
        ("SELECT :a::int, x::text", ("a",)),
        ("SELECT '12:30:15', a[1:n], b[1:2]", ()),
        ("SELECT $$ :a $$, $tag$ $$ :b $tag$, :c", ("c",)),
        (r"SELECT E'it\'s :a', 'back\', :b", ("b",)),
        ("SELECT 'it''s :a', :b", ("b",)),
        (r"SELECT \:a", ()),
        ("SELECT ARRAY[:a]", ("a",)),
        ("SELECT :größe", ("größe",)),
        ("SELECT ::1", ()),
    ],
)
def test_parameters(sql, names):
    found = read(sql)
    assert (found.names, found.problem) == (names, None)
    assert tuple(sa.text(found.text)._bindparams) == names


@given(st.lists(st.sampled_from([*"':\"$-/*;\\a1 \n`", "::", "$$", ":x", "--", "/*", "*/"]), max_size=12).map("".join))
def test_sqlalchemy_sees_the_same_parameters_and_the_same_text(sql):
    found = read(sql)
    if found.problem is not None:
        return  # it is refused and never reaches SQLAlchemy
    clause = sa.text(found.text)
    assert set(clause._bindparams) == set(found.names)
    if not found.names and ";" not in sql and "\\:" not in sql:
        assert str(clause.compile()) == sql


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "  -- why\n /* what */ select replace(a, 'INSERT', '') FROM t;",
        "(SELECT 1) UNION (SELECT 2)",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "VALUES (1)",
        "EXPLAIN SELECT 1",
        "SHOW server_version",
        "SELECT updated_at, \"delete\", 'drop' FROM t -- update",
    ],
)
def test_what_reads(sql):
    assert read(sql).reads


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1)",
        "WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a",
        "with a as (select 1) insert into t select * from a",
        "SELECT * INTO n FROM t",
        "SELECT * FROM t FOR UPDATE",
        "EXPLAIN ANALYZE DELETE FROM t",
        "PRAGMA journal_mode = WAL",
        "VACUUM",
        "CALL p()",
        "DO $$ begin end $$",
        "",
    ],
)
def test_what_writes_or_might(sql):
    assert not read(sql).reads


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELECT 1; -- a\n DROP TABLE t", "more than one statement"),
        ("SELECT 'a", "never closed"),
        ('SELECT "a', "never closed"),
        ("SELECT /* a", "never closed"),
        ("/*! DROP TABLE t */", "never closed"),
        ("", "is empty"),
        (" -- nothing\n;", "is empty"),
    ],
)
def test_what_is_refused(sql, says):
    assert says in (read(sql).problem or "")


def test_a_closing_semicolon_is_fine():
    assert read("SELECT 1 ; -- done\n;").problem is None


def test_lists():
    found = read("SELECT 1 WHERE a IN :a AND b NOT\nIN :b AND c = :c AND d IN (:d)")
    assert (set(found.lists), set(found.excluded)) == ({"a", "b"}, {"b"})


def test_reading_is_linear():
    for text in ("'" * 100_000, "/*" * 50_000, "$" * 100_000, ":" * 100_000, "$a$" * 30_000, "-" * 100_000):
        read(text)
