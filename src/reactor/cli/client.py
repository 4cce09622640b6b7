"""The server's API for the command line: plain `http.client`, because it is there at once."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from reactor.cli.options import WrongSettings
from reactor.model.errors import InvalidError, NotFoundError, ReactorError, UnauthorizedError
from reactor.settings import Settings

_TIMEOUT = 60.0
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to find a server that listens on all of them


class ApiError(ReactorError):
    """The server said no, or cannot be reached."""


class Client:
    """One server."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        self._token = token

    @property
    def credentials(self) -> dict[str, str]:
        """Headers that say who asks."""
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def get(self, path: str, **query: Any) -> Any:
        """GET below `/api/v1`; parameters that are None are left out."""
        wanted = {name: value for name, value in query.items() if value is not None}
        return self.request("GET", "/api/v1" + path + (f"?{urlencode(wanted)}" if wanted else ""))

    def post(self, path: str, body: Any = None) -> Any:
        """POST below `/api/v1`."""
        return self.request("POST", "/api/v1" + path, body)

    def put(self, path: str, body: Any) -> Any:
        """PUT below `/api/v1`."""
        return self.request("PUT", "/api/v1" + path, body)

    def delete(self, path: str) -> Any:
        """DELETE below `/api/v1`."""
        return self.request("DELETE", "/api/v1" + path)

    def post_text(self, path: str, text: bytes, **query: Any) -> Any:
        """POST a text as it is below `/api/v1`; parameters that are None are left out."""
        wanted = {name: value for name, value in query.items() if value is not None}
        return self.request("POST", f"/api/v1{path}?{urlencode(wanted)}", text)

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """One request; the answer's JSON. A body of bytes is sent as it is.

        Raises:
            ApiError, InvalidError, NotFoundError, UnauthorizedError: with what the server says.
        """
        headers = {"Accept": "application/json", **self.credentials}
        data = None
        if isinstance(body, bytes):
            data = body
            headers["Content-Type"] = "application/yaml"
        elif body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        elif method == "POST":
            headers["Content-Length"] = "0"
        status, text = self._exchange(method, path, data, headers)
        if status >= 300:
            raise self._refusal(status, text)
        try:
            return json.loads(text) if text else None
        except ValueError:
            raise ApiError(f"{self.url} does not answer as a Reactor does; is it another program?") from None

    def _exchange(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT)
        try:
            connection.request(method, parts.path + path, data, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except ConnectionRefusedError:
            raise ApiError(
                f"no Reactor answers at {self.url}; start one with `reactor run`, or say where with --url"
            ) from None
        except TimeoutError:
            raise ApiError(f"{self.url} did not answer within {_TIMEOUT:.0f} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(f"{self.url} cannot be reached: {error}") from None
        finally:
            connection.close()

    def _refusal(self, status: int, text: bytes) -> ReactorError:
        try:
            problem = json.loads(text)
            detail = str(problem.get("detail") or problem.get("title"))
        except (ValueError, AttributeError):
            detail = f"{self.url} answered {status}"
        if status in (401, 403):
            hint = "" if self._token else "; set REACTOR_TOKEN, or name the server's data folder with --data"
            return UnauthorizedError(detail + hint)
        if status == 404:
            return NotFoundError(detail)
        if status in (400, 422):
            return InvalidError(detail)
        return ApiError(detail)


def part(text: str) -> str:
    """One segment of a path."""
    return quote(text, safe="")


def connect(settings: Settings) -> Client:
    """A client for the server that the settings name, else for the one that runs on their data folder."""
    url = _url(settings)
    token = settings.token
    # The token of this machine's server is not for another machine's.
    if token is None and (settings.url is None or _here(url)):
        token = _kept_token(settings)
    return Client(url, token)


def _kept_token(settings: Settings) -> str | None:
    try:
        return (settings.data / "token").read_text("ascii").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise WrongSettings(f"the token cannot be read: {error}; set REACTOR_TOKEN") from None


def is_served(settings: Settings) -> bool:
    """Whether a server has to be asked: one is named, or one runs on the data folder."""
    return settings.url is not None or _running(settings) is not None


def _here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _url(settings: Settings) -> str:
    if settings.url is not None:
        return settings.url
    if not {"host", "port"} & settings.origins.keys():
        found = _running(settings)
        if found is not None:
            return found
    host = _ANY.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _running(settings: Settings) -> str | None:
    """Where the server on this data folder says it is, if it is alive."""
    try:
        address = json.loads((settings.data / "address").read_text("utf-8"))
        url, pid = str(address["url"]), int(address["pid"])
        with contextlib.suppress(PermissionError):
            os.kill(pid, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url
