"""Errors of the specification and ours, both ways."""

import pytest

from reactor.language.dialects.openworkflow.problems import BASE, kind_of, problem_of, same_type


@pytest.mark.parametrize(
    ("kind", "type", "status"),
    [
        ("http.404", "communication", 404),
        ("http.refused", "communication", 500),
        ("connection.tls", "communication", 500),
        ("timeout", "timeout", 408),
        ("deadline", "timeout", 408),
        ("input", "validation", 400),
        ("expression.limit", "expression", 400),
        ("secret", "authorization", 403),
        ("exit.3", "runtime", 500),
        ("anything", "runtime", 500),
    ],
)
def test_ours_as_theirs(kind, type, status):
    problem = problem_of({"kind": kind, "message": "m", "step": "a.b-2[3].c"}, {"b-2": "/do/0/b"})
    assert (problem["type"], problem["status"]) == (BASE + type, status)
    assert (problem["detail"], problem["instance"]) == ("m", "/do/0/b")
    assert problem["title"]


@pytest.mark.parametrize(
    ("type", "status", "kind"),
    [
        (BASE + "communication", 503, "http.503"),
        ("https://open-workflow-specification.org/dsl/errors/types/communication", 404, "http.404"),
        (BASE + "timeout", 408, "timeout"),
        (BASE + "validation", 400, "input"),
        (BASE + "runtime", 500, "failed"),
        (BASE + "authorization", 403, "http.403"),
        ("https://example.com/errors/Out Of Stock/", 400, "out-of-stock"),
        ("x", 400, "x"),
    ],
)
def test_theirs_as_ours_and_back(type, status, kind):
    problem = {"type": type, "status": status, "title": "T"}
    assert kind_of(problem) == kind
    assert problem_of({"kind": kind, "message": "T", "data": problem}) == problem


def test_homes_of_the_types():
    assert same_type(BASE + "timeout", "https://serverlessworkflow.io/dsl/errors/types/timeout")
    assert same_type(BASE + "timeout", "https://open-workflow-specification.org/spec/1.0.0/errors/timeout")
    assert not same_type(BASE + "timeout", BASE + "runtime")
    assert not same_type(BASE + "timeout", "https://example.com/spec/1.0.0/errors/timeout")
    assert same_type("https://example.com/x", "https://example.com/x")
