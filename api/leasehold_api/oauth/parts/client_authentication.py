"""How clients say who they are at the OAuth endpoints (RFC 6749 section 2.3, RFC 7523): by one method, never by two.

Authlib's own tries one after the other and takes the first that fits, so a request could bring several.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Collection
from typing import Any, Protocol
from urllib.parse import unquote_plus

from leasehold_api.oauth.parts.refusals import RefusalError

BASIC, POST, ASSERTION, NONE = "client_secret_basic", "client_secret_post", "private_key_jwt", "none"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

BY_SECRET = (BASIC, POST)
EVERY_METHOD = (NONE, BASIC, POST, ASSERTION)


class Client(Protocol):
    """What all clients have in common."""

    def get_client_id(self) -> str:
        """Return its id."""
        ...

    def check_client_secret(self, secret: str, /) -> bool:
        """Say whether this is its secret."""
        ...

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Say whether it may authenticate so, there."""
        ...


Lookup = Callable[[str], Client | None]


def authenticate(
    request: Any,
    methods: Collection[str],
    endpoint: str,
    *,
    client_of: Lookup,
    by_assertion: Callable[[Any], Client | None],
) -> Client:
    """Return the client that ``request`` comes from.

    Raises:
        RefusalError: if it brings no credentials or several, or they are not right.
    """
    form: dict[str, str] = request.form
    method = _method_of(request.headers, form)
    if method not in methods:
        raise _refused(f"authenticate here with one of: {', '.join(methods)}", method)
    client: Client | None
    match method:
        case "client_secret_basic":
            client = _by_secret(*_basic(request.headers["authorization"]), client_of, method)
        case "client_secret_post":
            client = _by_secret(form.get("client_id", ""), form["client_secret"], client_of, method)
        case "private_key_jwt":
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                raise RefusalError("invalid_client", f"client_assertion_type must be {ASSERTION_TYPE}")
            client = by_assertion(request)
        case _ if "client_id" not in form:
            raise RefusalError("invalid_client", "client_id is missing")
        case _:
            client = client_of(form["client_id"])
    if client is None:
        raise _refused("the client is not known here", method)
    if form.get("client_id", client.get_client_id()) != client.get_client_id():
        raise _refused("client_id names another client than the credentials do", method)
    if not client.check_endpoint_auth_method(method, endpoint):
        raise _refused(f"this client can not authenticate with the method {method} here", method)
    return client


def _method_of(headers: Any, form: dict[str, str]) -> str:
    shown = [
        method
        for method, is_there in (
            (BASIC, headers.get("authorization", "").partition(" ")[0].lower() == "basic"),
            (POST, "client_secret" in form),
            (ASSERTION, "client_assertion" in form),
        )
        if is_there
    ]
    if len(shown) > 1:
        raise RefusalError("invalid_request", f"authenticate by one method, not by several: {', '.join(shown)}")
    return shown[0] if shown else NONE


def _basic(header: str) -> tuple[str, str]:
    try:
        text = b64decode(header.partition(" ")[2].strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _refused("the Authorization header is not Basic base64(client_id:client_secret)", BASIC) from error
    client_id, _, secret = text.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def _by_secret(client_id: str, secret: str, client_of: Lookup, method: str) -> Client:
    client = client_of(client_id)
    if client is None or not client.check_client_secret(secret):
        raise _refused("client_id or client_secret is wrong: check that both were copied whole", method)
    return client


def _refused(description: str, method: str) -> RefusalError:
    # RFC 6749 section 5.2: who used the Authorization header is told so with 401.
    return RefusalError("invalid_client", description, status=401 if method == BASIC else 400)
