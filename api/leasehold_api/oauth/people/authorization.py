"""What a browser brings to the authorization endpoint (RFC 6749 section 4.1.1, RFC 7636, RFC 9449 section 10).

Errors go back to the application only once client and redirect URI are known to be right; else to the person.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from leasehold_api.oauth.parts.public_clients import CODE, PUBLIC_CLIENTS, PublicClient
from leasehold_api.oauth.parts.redirects import with_parameters
from leasehold_api.oauth.parts.scopes import SCOPES, unknown_in

_SHA256 = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_VISIBLE = re.compile(r"[\x20-\x7e]{0,1024}", re.ASCII)


class NotToBeAnsweredError(Exception):
    """The request is not one of a client known here: nobody is sent anywhere; the text is for the person."""


class AuthorizationRefusedError(Exception):
    """The application is told that its request can't be granted (RFC 6749 section 4.1.2.1)."""

    def __init__(self, error: str, description: str, *, redirect_uri: str, state: str | None) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.redirect_uri = redirect_uri
        self.state = state

    def location(self, issuer: str) -> str:
        """Return where the browser goes with it."""
        return _answer(
            self.redirect_uri, {"error": self.error, "error_description": self.description}, self.state, issuer
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """A request that may be put before a person."""

    client: PublicClient
    redirect_uri: str
    scope: str
    """As it was asked for; empty: everything."""
    state: str | None
    challenge: str
    jkt: str | None

    def granted(self, code: str, issuer: str) -> str:
        """Return where the browser brings the code (RFC 9207: with the issuer)."""
        return _answer(self.redirect_uri, {"code": code}, self.state, issuer)

    def denied(self) -> AuthorizationRefusedError:
        """Return the refusal by the person."""
        return AuthorizationRefusedError(
            "access_denied", "the person said no", redirect_uri=self.redirect_uri, state=self.state
        )


def read_authorization_request(pairs: Sequence[tuple[str, str]]) -> AuthorizationRequest:
    """Return the request that the parameters make; none may be there twice, empty ones are as if left out.

    Raises:
        NotToBeAnsweredError: if client or redirect URI are not right.
        AuthorizationRefusedError: if anything else is not.
    """
    repeated = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    given = {name: value for name, value in pairs if value}
    client = PUBLIC_CLIENTS.get(given.get("client_id", ""))
    if client is None or not client.check_grant_type(CODE) or "client_id" in repeated:
        raise NotToBeAnsweredError("the application that sent you here is not known: client_id is missing or wrong")
    redirect_uri = given.get("redirect_uri", "")
    if not client.check_redirect_uri(redirect_uri) or "redirect_uri" in repeated:
        raise NotToBeAnsweredError(
            f"the application wants its answer at an address that {client.name} has none of: nothing was sent there. "
            "Take http://127.0.0.1:PORT/callback, with any port"
        )
    state = given.get("state") if "state" not in repeated else None
    problem = _problem(given, repeated)
    if problem is not None:
        raise AuthorizationRefusedError(*problem, redirect_uri=redirect_uri, state=state)
    return AuthorizationRequest(
        client=client,
        redirect_uri=redirect_uri,
        scope=given.get("scope", ""),
        state=state,
        challenge=given["code_challenge"],
        jkt=given.get("dpop_jkt"),
    )


def _problem(given: dict[str, str], repeated: list[str]) -> tuple[str, str] | None:
    """Return error and description of what is wrong first, if anything is."""
    is_pkce = given.get("code_challenge_method") == "S256" and _SHA256.fullmatch(given.get("code_challenge", ""))
    problems = (
        (bool(repeated), "invalid_request", "a parameter is there twice"),
        ("request" in given, "request_not_supported", "send the parameters themselves"),
        ("request_uri" in given, "request_uri_not_supported", "send the parameters themselves"),
        ("response_type" not in given, "invalid_request", "response_type is missing: it must be code"),
        (given.get("response_type") != "code", "unsupported_response_type", "response_type must be code"),
        (
            given.get("response_mode", "query") != "query",
            "invalid_request",
            "response_mode must be query, or left out",
        ),
        (
            not is_pkce,
            "invalid_request",
            "PKCE is needed: code_challenge_method S256 and code_challenge (RFC 7636)",
        ),
        (
            not _SHA256.fullmatch(given.get("dpop_jkt", "A" * 43)),
            "invalid_request",
            "dpop_jkt must be an RFC 7638 thumbprint",
        ),
        (
            not _VISIBLE.fullmatch(given.get("state", "")),
            "invalid_request",
            "state must be at most 1024 printable ASCII characters",
        ),
        (bool(unknown_in(given.get("scope", ""))), "invalid_scope", f"scopes are {' '.join(SCOPES)}"),
    )
    return next(((error, description) for is_wrong, error, description in problems if is_wrong), None)


def _answer(redirect_uri: str, parameters: dict[str, str], state: str | None, issuer: str) -> str:
    states = {} if state is None else {"state": state}
    return with_parameters(redirect_uri, {**parameters, **states, "iss": issuer})
