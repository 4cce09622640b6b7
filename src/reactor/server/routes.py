"""The paths that triggers claim: exact ones in a map, those with `{names}` by segments."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

import msgspec

from reactor.model.errors import ConflictError, InvalidError
from reactor.sdk.http import HttpHandler

OWN = (
    "api", "approvals", "assets", "events", "health", "login", "logout", "mcp", "metrics",
    "openapi.json", "ready", "ui", "webhook",
)  # fmt: skip
"""First segments of Reactor's own paths. Under `/webhook` triggers may claim: the older flows do."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_LITERAL = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*")
_NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LONGEST = 2_048
_DEEPEST = 64


class Claim(msgspec.Struct, frozen=True):
    """Who answers one path, by method."""

    path: str
    segments: tuple[str, ...]
    """Literals decoded; a name in braces stands as `{}`, so that two paths that fit the same requests are equal."""
    names: tuple[str, ...]
    handlers: dict[str, HttpHandler]


Found = tuple[Claim, dict[str, str]]


class RouteClaims:
    """`HttpRoutes` of this server. Used on the loop's thread only."""

    def __init__(self) -> None:
        self.exact: dict[str, Claim] = {}
        """Looked up first of all, by every request."""
        self._patterns: dict[int, dict[tuple[str, ...], Claim]] = {}
        """Number of segments → their claims, most literal first."""
        self.patterned = False

    def claim(self, methods: tuple[str, ...], path: str, handler: HttpHandler) -> Callable[[], None]:
        """See `HttpRoutes.claim`."""
        segments, names = _parsed(path)
        _protect(path, segments)
        wanted = _wanted(methods)
        claim = self._find(segments, names) or self._add(path, segments, names)
        taken = [method for method in wanted if method in claim.handlers]
        if taken or claim.names != names:
            other = f" as {claim.path}" if claim.path != path else ""
            raise ConflictError(f"{', '.join(taken) or 'the path'} {path} is claimed already{other} by another webhook")
        claim.handlers.update(dict.fromkeys(wanted, handler))
        return self._releaser(claim, wanted)

    def match(self, path: str, raw_path: bytes) -> Found | None:
        """The claim that a path with names fits, with their values; the exact ones are in `exact`."""
        parts = (
            path[1:].split("/")
            if b"%" not in raw_path
            else [unquote(p) for p in raw_path[1:].decode("latin-1").split("/")]
        )
        for claim in self._patterns.get(len(parts), {}).values():
            values = [part for want, part in zip(claim.segments, parts, strict=True) if want == "{}"]
            fits = all(want in ("{}", part) for want, part in zip(claim.segments, parts, strict=True))
            if fits and all(values):
                return claim, dict(zip(claim.names, values, strict=True))
        return None

    def paths(self) -> list[tuple[str, tuple[str, ...]]]:
        """(path, methods) of everything that is claimed."""
        claims = [*self.exact.values(), *(claim for level in self._patterns.values() for claim in level.values())]
        return sorted((claim.path, tuple(sorted(claim.handlers))) for claim in claims)

    def _find(self, segments: tuple[str, ...], names: tuple[str, ...]) -> Claim | None:
        if names:
            return self._patterns.get(len(segments), {}).get(segments)
        return self.exact.get("/" + "/".join(segments))

    def _add(self, path: str, segments: tuple[str, ...], names: tuple[str, ...]) -> Claim:
        claim = Claim(path, segments, names, {})
        if not names:
            self.exact["/" + "/".join(segments)] = claim
            return claim
        level = {**self._patterns.get(len(segments), {}), segments: claim}
        # `/orders/{id}/paid` before `/orders/{id}/{what}`: the first place where they differ decides.
        self._patterns[len(segments)] = dict(sorted(level.items(), key=lambda item: [s == "{}" for s in item[0]]))
        self.patterned = True
        return claim

    def _releaser(self, claim: Claim, methods: tuple[str, ...]) -> Callable[[], None]:
        given_back = False

        def release() -> None:
            nonlocal given_back
            if given_back:
                return
            given_back = True
            for method in methods:
                claim.handlers.pop(method, None)
            if not claim.handlers:
                self._drop(claim)

        return release

    def _drop(self, claim: Claim) -> None:
        if not claim.names:
            self.exact.pop("/" + "/".join(claim.segments), None)
            return
        level = self._patterns.get(len(claim.segments), {})
        level.pop(claim.segments, None)
        if not level:
            self._patterns.pop(len(claim.segments), None)
        self.patterned = bool(self._patterns)


def _wanted(methods: tuple[str, ...]) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(method.upper() for method in methods))
    unknown = [method for method in wanted if method not in METHODS]
    if unknown or not wanted:
        raise InvalidError(f"{', '.join(unknown) or 'no method'} cannot be claimed; there are {', '.join(METHODS)}")
    return wanted


def _parsed(path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Segments and names of a path as written.

    Raises:
        InvalidError: it is not one.
    """
    if not path.startswith("/") or len(path) > _LONGEST or path.count("/") > _DEEPEST:
        raise InvalidError(f"{path[:80]!r} is not a path: it begins with / and has at most {_LONGEST} characters")
    segments: list[str] = []
    names: list[str] = []
    for part in path[1:].split("/"):
        name = _NAME.fullmatch(part)
        if name:
            segments.append("{}")
            names.append(name[1])
        elif _LITERAL.fullmatch(part) and part not in (".", ".."):
            segments.append(unquote(part))
        else:
            raise InvalidError(f"{part!r} in {path!r} cannot be a segment: it is plain text, or a name such as {{id}}")
    if len(set(names)) < len(names):
        raise InvalidError(f"{path!r} has a name twice")
    return tuple(segments), tuple(names)


def _protect(path: str, segments: tuple[str, ...]) -> None:
    first = segments[0].lower()
    if first == "webhook" and len(segments) > 1 and segments[1]:
        return
    if first == "" and len(segments) == 1:
        raise ConflictError(f"{path} is Reactor's own page")
    if first == "{}":
        raise ConflictError(f"{path} would cover Reactor's own paths; begin with a fixed segment")
    if first in OWN:
        raise ConflictError(f"{path} is one of Reactor's own paths; take another first segment, or /webhook/NAME")
