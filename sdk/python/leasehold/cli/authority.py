"""The authorization server as the command sees it: codes and tokens come, are renewed and given back.

Beside ``api`` the only module that knows the HTTP client.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self

import httpx

from leasehold.cli.answers import NOT_THE_API
from leasehold.cli.errors import NotSignedInError, UnreachableError, WrongInputError
from leasehold.cli.exchanges import ANSWER_S, CONNECT_S, unreachable
from leasehold.cli.kept_sign_in import CLIENT_ID, KeptSignIn

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
SLOWER_S = 5.0
_WAIT = {"authorization_pending", "slow_down"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCodes:
    """What a person types where, and what this command asks with meanwhile (RFC 8628)."""

    device_code: str = field(repr=False)
    user_code: str
    address: str
    direct_address: str
    """With the code in it."""
    expires_in_s: float
    interval_s: float


class Authority:
    """One API's authorization server. A context manager: connections close with it."""

    def __init__(self, url: str) -> None:
        self.url = url
        timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
        headers = {"User-Agent": "leasehold-cli", "Accept": "application/json"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def check_address(self) -> None:
        """Check that this is how the API itself is called: a token for one address must not go to another.

        Raises:
            WrongInputError: naming the right address.
            UnreachableError: if no Leasehold API answers.
        """
        status, found = self._ask("GET", "/.well-known/oauth-authorization-server")
        issuer = found.get("issuer")
        if status != HTTPStatus.OK or not isinstance(issuer, str):
            raise self._not_the_api()
        if issuer != self.url:
            raise WrongInputError(
                f"The API at {self.url} is known by another address: {issuer}.", f"leasehold login {issuer}"
            )

    def ask_to_enter(self) -> DeviceCodes:
        """Begin to sign in with a code."""
        form = {"client_id": CLIENT_ID, "client_name": platform.node()}
        status, found = self._ask("POST", "/oauth/device_authorization", form)
        if status != HTTPStatus.OK:
            raise self._refused(found)
        try:
            return DeviceCodes(
                device_code=str(found["device_code"]),
                user_code=str(found["user_code"]),
                address=str(found["verification_uri"]),
                direct_address=str(found["verification_uri_complete"]),
                expires_in_s=float(found["expires_in"]),
                interval_s=float(found.get("interval", SLOWER_S)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._not_the_api() from error

    def poll(self, codes: DeviceCodes, *, now: float) -> KeptSignIn | float:
        """Return the tokens, or by how much longer to wait from now on each time."""
        form = {"grant_type": DEVICE_GRANT, "client_id": CLIENT_ID, "device_code": codes.device_code}
        status, found = self._ask("POST", "/oauth/token", form)
        if found.get("error") in _WAIT:
            return SLOWER_S if found["error"] == "slow_down" else 0.0
        return self._tokens(status, found, now=now)

    def redeem(self, code: str, *, redirect_uri: str, verifier: str, now: float) -> KeptSignIn:
        """Return the tokens for a code that the browser brought."""
        form = {
            "grant_type": "authorization_code",
            "client_id": CLIENT_ID,
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        return self._tokens(*self._ask("POST", "/oauth/token", form), now=now)

    def refresh(self, kept: KeptSignIn, *, now: float) -> KeptSignIn:
        """Return new tokens for a sign-in; the refresh token that it had is used up.

        Raises:
            NotSignedInError: if the sign-in has ended.
        """
        form = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": kept.refresh_token}
        return self._tokens(*self._ask("POST", "/oauth/token", form), now=now)

    def revoke(self, kept: KeptSignIn) -> None:
        """End a sign-in at the server."""
        status, found = self._ask("POST", "/oauth/revoke", {"client_id": CLIENT_ID, "token": kept.refresh_token})
        if status != HTTPStatus.OK:
            raise self._refused(found)

    def _tokens(self, status: int, found: dict[str, Any], *, now: float) -> KeptSignIn:
        if status != HTTPStatus.OK:
            raise self._refused(found)
        try:
            return KeptSignIn(
                access_token=str(found["access_token"]),
                refresh_token=str(found["refresh_token"]),
                expires_at=now + float(found["expires_in"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._not_the_api() from error

    def _ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        try:
            response = self._http.request(method, path, data=form)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise unreachable(self.url, error) from error
        try:
            found: Any = response.json()
        except ValueError as error:
            raise self._not_the_api() from error
        is_ours = isinstance(found, dict) and (response.is_success or "error" in found)
        if not is_ours or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._not_the_api()
        return response.status_code, found

    def _refused(self, found: dict[str, Any]) -> NotSignedInError:
        why = str(found.get("error_description") or found.get("error"))
        return NotSignedInError(f"{self.url} did not sign you in: {why}.", f"leasehold login {self.url}")

    def _not_the_api(self) -> UnreachableError:
        return UnreachableError(f"{self.url} answers, but not like a Leasehold API.", NOT_THE_API.format(url=self.url))
