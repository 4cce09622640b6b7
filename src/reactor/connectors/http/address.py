"""URLs of outbound requests, taken apart once and strictly: what is checked is what is connected to.

Sources: RFC 3986 (syntax), RFC 9110 §4.2 (http and https, their ports), RFC 5891 (names beyond ASCII, by httpx2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlencode, urljoin, urlsplit

from reactor.connectors.http.client import Origin
from reactor.connectors.http.guard import literal
from reactor.connectors.http.request import Basic
from reactor.sdk import PermanentError

_PORTS = {"http": 80, "https": 443}
_LONGEST = 16_384
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?")
# What RFC 3986 allows in a path or query, and `%`: what is encoded already stays as it is.
_SAFE = "%/:?@!$&'()*+,;=~-._"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes."""

    origin: Origin
    path: str
    """Path and query as they are sent."""
    userinfo: str = ""

    @property
    def authority(self) -> str:
        """The value of `Host`."""
        host = f"[{self.origin.host}]" if ":" in self.origin.host else self.origin.host
        return host if self.origin.port == _PORTS[self.origin.scheme] else f"{host}:{self.origin.port}"

    @property
    def url(self) -> str:
        """The whole, without credentials: the base of a redirect."""
        return f"{self.origin.scheme}://{self.authority}{self.path}"

    @property
    def shown(self) -> str:
        """For messages: without the query, where keys and tokens are often put."""
        return self.url.partition("?")[0]

    def basic(self) -> Basic:
        """The credentials that stood in the URL."""
        user, _, password = self.userinfo.partition(":")
        return Basic(user=unquote(user), password=unquote(password))


def parse(url: str, query: Mapping[str, Any], *, verify: bool = True) -> Target:
    """Take a URL apart and add `query` to it.

    Raises:
        PermanentError: kind `input`: it is no http or https URL. The message does not repeat it: it may hold a secret.
    """
    _check(url)
    try:
        parts = urlsplit(url.strip(" "))
        port = parts.port
    except ValueError as error:
        raise _wrong(str(error)) from None
    if parts.scheme not in _PORTS:
        raise _wrong("it has to begin with http:// or https://")
    origin = Origin(parts.scheme, _host(parts), port if port is not None else _PORTS[parts.scheme], verify)
    userinfo = parts.netloc.rpartition("@")[0]
    return Target(origin, _path(parts, query), userinfo)


def _check(url: str) -> None:
    # urlsplit drops tabs and line ends in silence, so look for them first.
    if len(url) > _LONGEST:
        raise _wrong(f"it is over {_LONGEST} characters")
    if _CONTROL.search(url):
        raise _wrong("it has a control character in it")


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if not host.isascii():
        import httpx2  # noqa: PLC0415 - the only thing wanted of it is IDNA 2008, for names that need it

        try:
            host = httpx2.URL(scheme="http", host=host).raw_host.decode("ascii")
        except httpx2.InvalidURL as error:
            raise _wrong(str(error)) from None
    if "\\" in parts.netloc or not (_HOST.fullmatch(host) or literal(host)) or "%" in host:
        raise _wrong("it has no valid host")
    return host


def _path(parts: SplitResult, query: Mapping[str, Any]) -> str:
    path = quote(parts.path, safe=_SAFE) or "/"
    pairs = [
        (name, ("true" if value else "false") if isinstance(value, bool) else str(value))
        for name, values in query.items()
        for value in (values if isinstance(values, list) else [values])
        if value is not None
    ]
    whole = "&".join(filter(None, (quote(parts.query, safe=_SAFE), urlencode(pairs))))
    return f"{path}?{whole}" if whole else path


def join_base(base: str, url: str) -> str:
    """`url` below a connection's `base_url`.

    Raises:
        PermanentError: kind `input`: it leads elsewhere, where the connection's headers and credentials must not go.
    """
    if not base:
        raise PermanentError("input", "the connection has no base_url")
    if "://" not in url.partition("?")[0]:
        return base if not url else base.rstrip("/") + ("" if url.startswith(("/", "?")) else "/") + url
    if parse(url, {}).origin != parse(base, {}).origin:
        raise PermanentError("input", f"the url is not on the connection's host {parse(base, {}).authority}")
    return url


def follow_from(target: Target, where: str) -> Target:
    """Where a `Location` leads to.

    Raises:
        PermanentError: kind `input`: to no http or https URL.
    """
    _check(where)  # before urljoin, which drops tabs and line ends in silence
    return parse(urljoin(target.url, where), {}, verify=target.origin.verify)


def _wrong(why: str) -> PermanentError:
    return PermanentError("input", f"the url cannot be used: {why}")
