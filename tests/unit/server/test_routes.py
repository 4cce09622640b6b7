"""Claiming paths: what fits what, who may have which, and giving them back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.model.errors import ConflictError, InvalidError
from reactor.sdk.http import HttpRequest, HttpResponse
from reactor.server.routes import OWN, RouteClaims


async def one(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def matched(claims: RouteClaims, path: str) -> Any:
    found = claims.match(path, path.encode())
    return None if found is None else (found[0].path, found[1])


def test_fixed_segments_come_before_names() -> None:
    claims = RouteClaims()
    for path in ("/o/{id}", "/o/{id}/{what}", "/o/{id}/paid", "/o/all/{what}"):
        claims.claim(("POST",), path, one)
    assert matched(claims, "/o/7") == ("/o/{id}", {"id": "7"})
    assert matched(claims, "/o/7/paid") == ("/o/{id}/paid", {"id": "7"})
    assert matched(claims, "/o/7/sent") == ("/o/{id}/{what}", {"id": "7", "what": "sent"})
    assert matched(claims, "/o/all/paid") == ("/o/all/{what}", {"what": "paid"})
    for path in ("/o", "/o/", "/o//paid", "/o/7/8/9", "/p/7"):
        assert matched(claims, path) is None, path


def test_a_method_of_a_path_belongs_to_one() -> None:
    claims = RouteClaims()
    claims.claim(("get", "POST"), "/a/{id}", one)
    with pytest.raises(ConflictError, match=r"POST /a/\{id\} is claimed already"):
        claims.claim(("POST",), "/a/{id}", one)
    with pytest.raises(ConflictError, match=r"as /a/\{id\}"):
        claims.claim(("PUT",), "/a/{other}", one)
    claims.claim(("PUT",), "/a/{id}", one)
    assert claims.paths() == [("/a/{id}", ("GET", "POST", "PUT"))]


def test_what_is_given_back_can_be_had_again() -> None:
    claims = RouteClaims()
    for path in ("/a", "/a/{id}"):
        release = claims.claim(("GET",), path, one)
        kept = claims.claim(("POST",), path, one)
        release()
        release()
        claims.claim(("GET",), path, one)()
        assert claims.paths() == [(path, ("POST",))]
        release()
        kept()
        assert claims.paths() == []
    assert not claims.patterned


@pytest.mark.parametrize("first", OWN)
def test_our_own_paths_stay_ours(first: str) -> None:
    claims = RouteClaims()
    for path in (f"/{first}", f"/{first.upper()}", f"/{first}/") + ((f"/{first}/x",) if first != "webhook" else ()):
        with pytest.raises(ConflictError):
            claims.claim(("POST",), path, one)


def test_the_page_is_ours_and_older_webhooks_are_not() -> None:
    claims = RouteClaims()
    for path in ("/", "/{all}", "/{all}/x", "/%65vents"):
        with pytest.raises(ConflictError):
            claims.claim(("GET",), path, one)
    claims.claim(("POST",), "/webhook/x", one)
    claims.claim(("POST",), "/webhook/{name}/y", one)
    assert set(claims.exact) == {"/webhook/x"}


@pytest.mark.parametrize(
    "path",
    ["", "a", "/a b", "/a?b", "/a#b", "/{", "/x/{1}", "/x/{a}b", "/a/{n}/{n}", "/a/../b", "/a/%zz", "/" + "a" * 3000],
)
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(InvalidError):
        RouteClaims().claim(("GET",), path, one)


@pytest.mark.parametrize("methods", [(), ("BREW",), ("GET", "x y")])
def test_what_is_no_method(methods: tuple[str, ...]) -> None:
    with pytest.raises(InvalidError):
        RouteClaims().claim(methods, "/a", one)


@given(st.text(min_size=1).filter(lambda text: text not in {".", ".."}))
def test_any_value_comes_through_a_name(value: str) -> None:
    from urllib.parse import quote, unquote

    try:
        raw = quote(value, safe="")
    except UnicodeEncodeError:
        return
    claims = RouteClaims()
    claims.claim(("GET",), "/a/{v}/z", one)
    path = f"/a/{raw}/z"
    found = claims.match(unquote(path), path.encode())
    assert found is not None
    assert found[1] == {"v": value}
