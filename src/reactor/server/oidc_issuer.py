"""One OIDC issuer as its relying party sees it: where its doors are, codes for tokens, what its tokens say.

Authlib checks the claims of ID tokens, joserfc their signatures; only asymmetric algorithms count.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import re
from typing import Any
from urllib.parse import quote

import httpx2
import msgspec

from reactor.engine.access.people import Claims
from reactor.model.clock import Clock, Instant
from reactor.model.errors import ForbiddenError, RefusedError
from reactor.server.config import OidcConfig

_log = logging.getLogger("reactor.oidc")
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_TIMEOUT = 10.0
_LARGEST = 1 << 20
_FRESH = 3_600_000
_AGAIN = 30_000
"""Milliseconds between two looks for keys that are not known."""
_LEEWAY = 60
"""Seconds by which clocks may differ."""
_MAIL = re.compile(r"[^@\s]+@([^@\s]+)")
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class NotVouchedError(RefusedError):
    """The issuer does not vouch for this."""

    status = 401


class IssuerError(RefusedError):
    """The issuer cannot be reached, or does not answer as one."""

    status = 502


class Issuer:
    """See the module."""

    def __init__(self, config: OidcConfig, clock: Clock) -> None:
        self.config = config
        self._clock = clock
        self._document: dict[str, Any] = {}
        self._keys: Any = None
        self._until: Instant = 0
        self._looked: Instant = 0
        self._turn = asyncio.Lock()

    # --- what the issuer says of itself -----------------------------------------------------------------------------

    async def endpoint(self, name: str) -> str:
        """One of its doors.

        Raises:
            IssuerError.
        """
        await self._known()
        return str(self._document.get(name) or "")

    async def _known(self) -> None:
        async with self._turn:
            if self._until > self._clock.now():
                return
            place = self.config.issuer.rstrip("/") + "/.well-known/openid-configuration"
            document = await self._json("GET", place)
            if document.get("issuer") != self.config.issuer:
                other = str(document.get("issuer"))[:200]
                raise IssuerError(f"{place} is about the issuer {other!r}, not {self.config.issuer}")
            missing = [name for name in _NEEDED if not isinstance(document.get(name), str)]
            if missing:
                raise IssuerError(f"{place} names no {', '.join(missing)}")
            self._document = document
            await self._take_keys()
            self._until = self._clock.now() + _FRESH

    async def _take_keys(self) -> None:
        from joserfc.errors import JoseError  # noqa: PLC0415 - of an extra
        from joserfc.jwk import KeySet  # noqa: PLC0415

        self._looked = self._clock.now()
        try:
            self._keys = KeySet.import_key_set(await self._json("GET", self._document["jwks_uri"]))  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise IssuerError(f"the keys of {self.config.issuer} cannot be read: {error}") from None

    async def _json(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        try:
            async with (
                httpx2.AsyncClient(timeout=_TIMEOUT, follow_redirects=False) as http,
                http.stream(method, url, **more) as answer,
            ):
                body = b""
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > _LARGEST:
                        raise IssuerError(f"{url} answers more than {_LARGEST} bytes")
        except httpx2.HTTPError as error:
            raise IssuerError(f"{url} cannot be reached: {str(error) or type(error).__name__}") from None
        try:
            found = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise IssuerError(f"{url} answers {answer.status_code} without a JSON object")
        if answer.status_code >= 400:
            raise NotVouchedError(f"{url} says no: {str(found.get('error', answer.status_code))[:100]}")
        return found

    # --- codes and tokens -------------------------------------------------------------------------------------------

    async def redeem(self, code: str, verifier: str, redirect: str, nonce: str) -> Claims:
        """What the issuer says of whoever has come back with this code.

        Raises:
            NotVouchedError: the code or the token is not good. IssuerError. ForbiddenError: this person is not let in.
        """
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "code_verifier": verifier}
        headers = {"accept": "application/json"}
        auth: tuple[str, str] | None = None
        if self.config.client_secret is None:
            form["client_id"] = self.config.client_id
        elif "client_secret_basic" in self._methods():
            auth = quote(self.config.client_id, safe=""), quote(self.config.client_secret, safe="")
        else:
            form |= {"client_id": self.config.client_id, "client_secret": self.config.client_secret}
        place = await self.endpoint("token_endpoint")
        tokens = await self._json("POST", place, data=form, headers=headers, auth=auth)
        access = tokens.get("access_token")
        told = await self._verified(tokens.get("id_token"), nonce, access if isinstance(access, str) else None)
        return self._claims(await self._more(told, access))

    def _methods(self) -> list[str]:
        found = self._document.get("token_endpoint_auth_methods_supported")
        return found if isinstance(found, list) else ["client_secret_basic"]

    async def _verified(self, text: Any, nonce: str, access_token: str | None) -> dict[str, Any]:
        """The claims of an ID token that is signed, ours, of now and of this sign-in."""
        if not isinstance(text, str):
            raise NotVouchedError("the issuer gave no ID token")
        from joserfc import jwt  # noqa: PLC0415 - of an extra
        from joserfc.errors import JoseError  # noqa: PLC0415

        core = await asyncio.to_thread(importlib.import_module, "authlib.oidc.core")  # it takes half a second
        options = {
            "iss": {"essential": True, "value": self.config.issuer},
            "aud": {"essential": True, "value": self.config.client_id},
        }
        params = {"nonce": nonce, "client_id": self.config.client_id, "access_token": access_token}
        try:
            try:
                token = jwt.decode(text, self._keys, algorithms=_ALGORITHMS)
            except (JoseError, ValueError):
                if self._clock.now() - self._looked < _AGAIN:
                    raise
                await self._take_keys()  # they may have been changed
                token = jwt.decode(text, self._keys, algorithms=_ALGORITHMS)
            claims = core.CodeIDToken(token.claims, token.header, options, params)
            claims.validate(now=self._clock.now() // 1000, leeway=_LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            _log.warning("an ID token of %s is refused: %s", self.config.issuer, error)
            raise NotVouchedError(f"the issuer's ID token is not good: {error}") from None
        return dict(token.claims)

    async def _more(self, told: dict[str, Any], access: Any) -> dict[str, Any]:
        """The claims with those of the user info, where the ID token does not say all that is wanted."""
        place = await self.endpoint("userinfo_endpoint")
        wanted = "email" not in told or (self.config.roles and self._values(told) is None)
        if not wanted or not place or not isinstance(access, str):
            return told
        found = await self._json("GET", place, headers={"authorization": f"Bearer {access}"})
        if found.get("sub") != told["sub"]:
            raise NotVouchedError("the issuer's user info is about somebody else")
        return {**found, **told}

    # --- what it means here -----------------------------------------------------------------------------------------

    def _claims(self, told: dict[str, Any]) -> Claims:
        mail, verified = told.get("email"), told.get("email_verified") is True
        names = (mail, told.get("preferred_username"), told["sub"])
        name = next((one for one in names if isinstance(one, str) and one), "")
        self._check_domain(mail, verified=verified)
        role = None
        if self.config.roles:
            values = self._values(told) or []
            found = [role for value, role in self.config.roles if value in values]
            role = max(found, key=lambda one: one.rank, default=self.config.default_role)
            if role is None:
                raise ForbiddenError(f"{name[:80]} has no role here: none of {self.config.role_claim} gives one")
        return Claims(
            issuer=self.config.issuer,
            subject=told["sub"],
            name=name.lower(),
            verified=verified and name == mail,
            role=role,
        )

    def _check_domain(self, mail: Any, *, verified: bool) -> None:
        if not self.config.domains:
            return
        found = _MAIL.fullmatch(mail) if isinstance(mail, str) else None
        if found is None or not verified or found[1].lower() not in self.config.domains:
            raise ForbiddenError(f"only verified addresses of {', '.join(self.config.domains)} are let in")

    def _values(self, told: dict[str, Any]) -> list[Any] | None:
        """What the claim of roles holds."""
        found: Any = told
        for part in self.config.role_claim.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if found is None:
            return None
        return found if isinstance(found, list) else [found]
