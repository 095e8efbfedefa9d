"""The OIDC provider, as its client: where people are sent, and who they are when they come back.

Code flow with PKCE (RFC 7636), state and nonce. Every question to the provider has a bound; nothing here is remembered
between two sign-ins but its metadata and its keys.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote_plus

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from leasehold_api.people.id_tokens import Expected, IdTokenError, UnknownKeyError, claims_of, signing_keys
from leasehold_api.people.provider_metadata import Metadata, MetadataError, metadata_address, read_metadata

ANSWER_S = 5.0
"""How long one answer of the provider may take."""
SIGN_IN_S = 15.0
"""How long all of them together may take."""
METADATA_FOR_S = 3600.0
KEYS_AT_MOST_EVERY_S = 30.0
"""Tokens that name unknown keys make the key set be read again no more often than this."""


class ProviderError(Exception):
    """Signing in at the provider did not work; the text says why, for the person and for the log."""


class ProviderAwayError(ProviderError):
    """The provider can't be reached, or takes too long: later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """How the provider knows this service, and what is asked of it."""

    issuer: str
    client_id: str
    secret_file: Path | None
    scopes: str
    groups_claim: str
    name_claim: str
    redirect_uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """Somebody who is sent to the provider."""

    address: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom the provider vouches for."""

    issuer: str
    subject: str
    name: str
    email: str | None
    groups: tuple[str, ...]


class Provider:
    """One provider."""

    def __init__(self, registration: Registration, *, clock: Callable[[], float]) -> None:
        self.registration = registration
        self._clock = clock
        self._http = httpx.AsyncClient(timeout=ANSWER_S, follow_redirects=False, headers={"Accept": "application/json"})
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, dict[str | None, Any]] | None = None

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def metadata(self) -> Metadata:
        """Return what the provider says of itself; asked again now and then.

        Raises:
            ProviderError: if it can't be asked, or its answer can't be used.
        """
        if self._metadata is not None and self._clock() < self._metadata[0] + METADATA_FOR_S:
            return self._metadata[1]
        issuer = self.registration.issuer
        document = await self._ask("metadata", "GET", metadata_address(issuer))
        try:
            found = read_metadata(document, issuer=issuer)
        except MetadataError as error:
            raise ProviderError(str(error)) from error
        self._metadata = (self._clock(), found)
        return found

    async def begin(self) -> Journey:
        """Return where to send somebody, and what to remember of it.

        Raises:
            ProviderError: as ``metadata`` does.
        """
        metadata = await self.metadata()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        address = prepare_grant_uri(
            metadata.authorization_endpoint,
            client_id=self.registration.client_id,
            response_type="code",
            redirect_uri=self.registration.redirect_uri,
            scope=self.registration.scopes,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return Journey(address=str(address), state=state, nonce=nonce, code_verifier=verifier)

    async def finish(self, *, code: str, issuer: str | None, nonce: str, code_verifier: str) -> Identity:
        """Return who came back with a code.

        Args:
            code: what the provider gave them.
            issuer: the ``iss`` beside it (RFC 9207), if there is one.
            nonce: of the journey.
            code_verifier: of the journey.

        Raises:
            ProviderError: if the provider does not vouch for anybody by it, or can't be asked.
        """
        try:
            async with asyncio.timeout(SIGN_IN_S):
                return await self._finish(code, issuer, nonce=nonce, code_verifier=code_verifier)
        except TimeoutError:
            raise ProviderAwayError("the provider takes too long to answer: try again in a minute") from None

    async def _finish(self, code: str, issuer: str | None, *, nonce: str, code_verifier: str) -> Identity:
        metadata = await self.metadata()
        if issuer != metadata.issuer and (issuer is not None or metadata.names_itself):
            raise ProviderError("the answer came from another provider (iss): begin again")
        tokens = await self._redeem(metadata, code, code_verifier)
        id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(id_token, str):
            raise ProviderError("the provider sent no ID token: is 'openid' among oidc_scopes?")
        expected = Expected(
            issuer=metadata.issuer,
            client_id=self.registration.client_id,
            nonce=nonce,
            algorithms=metadata.algorithms,
            access_token=access_token if isinstance(access_token, str) else None,
        )
        claims = await self._checked(metadata, id_token, expected)
        if metadata.userinfo_endpoint and expected.access_token and not self._says_enough(claims):
            claims = {**await self._user_info(metadata.userinfo_endpoint, expected.access_token, claims), **claims}
        return self._identity(claims)

    async def _checked(self, metadata: Metadata, id_token: str, expected: Expected) -> dict[str, Any]:
        try:
            try:
                return claims_of(id_token, await self._signing_keys(metadata), expected, now=self._clock())
            except UnknownKeyError:
                # The provider may have rotated its keys since they were read.
                keys = await self._signing_keys(metadata, again=True)
                return claims_of(id_token, keys, expected, now=self._clock())
        except IdTokenError as error:
            raise ProviderError(f"{error}; nobody was signed in") from error

    async def _signing_keys(self, metadata: Metadata, *, again: bool = False) -> dict[str | None, Any]:
        now = self._clock()
        for_s = KEYS_AT_MOST_EVERY_S if again else METADATA_FOR_S
        if self._keys is None or now >= self._keys[0] + for_s:
            self._keys = (now, signing_keys(await self._ask("keys", "GET", metadata.jwks_uri)))
        return self._keys[1]

    async def _redeem(self, metadata: Metadata, code: str, code_verifier: str) -> dict[str, Any]:
        registration = self.registration
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": registration.redirect_uri,
            "code_verifier": code_verifier,
        }
        headers: dict[str, str] = {}
        secret = self.secret()
        if secret is None or metadata.secret_in_body:
            form["client_id"] = registration.client_id
        if secret is not None and metadata.secret_in_body:
            form["client_secret"] = secret
        elif secret is not None:
            # RFC 6749, section 2.3.1: both halves are form-encoded before they are joined.
            pair = f"{quote_plus(registration.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        return await self._ask("tokens", "POST", metadata.token_endpoint, data=form, headers=headers)

    async def count_keys(self) -> int:
        """Return how many keys the provider signs with.

        Raises:
            ProviderError: if it has none, or can't be asked.
        """
        try:
            keys = await self._signing_keys(await self.metadata())
        except IdTokenError as error:
            raise ProviderError(str(error)) from error
        if not keys:
            raise ProviderError("the provider's key set has no key that may sign ID tokens")
        return len({id(key) for key in keys.values()})

    def secret(self) -> str | None:
        """Return the secret that the provider knows this service by; none for a public client.

        Raises:
            ProviderError: if its file can't be read.
        """
        file = self.registration.secret_file
        try:
            return None if file is None else file.read_text().strip()
        except (OSError, ValueError) as error:
            raise ProviderError("this server can't read oidc_client_secret_file: tell a platform admin") from error

    def _says_enough(self, claims: Mapping[str, Any]) -> bool:
        return self.registration.groups_claim in claims and self.registration.name_claim in claims

    async def _user_info(self, endpoint: str, access_token: str, claims: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {access_token}"}
        found = await self._ask("userinfo", "GET", endpoint, headers=headers)
        subject = found.get("sub")
        if not isinstance(subject, str) or not hmac.compare_digest(subject.encode(), str(claims["sub"]).encode()):
            raise ProviderError("the provider's userinfo is about somebody else (sub); nobody was signed in")
        return found

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        groups = claims.get(self.registration.groups_claim)
        listed = groups if isinstance(groups, list) else [groups]
        names = (claims.get(claim) for claim in (self.registration.name_claim, "email", "sub"))
        email = claims.get("email")
        return Identity(
            issuer=self.registration.issuer,
            subject=str(claims["sub"]),
            name=next(name for name in names if isinstance(name, str) and name),
            email=email[:320] if isinstance(email, str) else None,
            groups=tuple(group for group in listed if isinstance(group, str)),
        )

    async def _ask(self, what: str, method: str, address: str, **more: Any) -> dict[str, Any]:
        try:
            async with asyncio.timeout(ANSWER_S):
                response = await self._http.request(method, address, **more)
        except (httpx.HTTPError, TimeoutError) as error:
            because = "it takes too long" if isinstance(error, TimeoutError | httpx.TimeoutException) else str(error)
            raise ProviderAwayError(
                f"the provider can't be asked for its {what} ({because or type(error).__name__}): try again in a minute"
            ) from error
        try:
            document: object = response.json()
        except (ValueError, RecursionError):
            document = None
        if response.status_code != 200 or not isinstance(document, dict):
            told = cast("dict[str, Any]", document).get("error") if isinstance(document, dict) else None
            because = f"{response.status_code}{f' {str(told)[:100]}' if told else ''}"
            kind = ProviderAwayError if response.is_server_error else ProviderError
            raise kind(f"the provider refused to give its {what} ({because})")
        return cast("dict[str, Any]", document)
