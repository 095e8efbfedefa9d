"""Tokens are asked about (RFC 7662) and ended (RFC 7009)."""

from __future__ import annotations

from typing import Any, cast

from leasehold_api.oauth.kept.store import AuditEntry
from leasehold_api.oauth.parts.authlib_parts import IntrospectionEndpoint, RevocationEndpoint
from leasehold_api.oauth.parts.client_authentication import ASSERTION, BY_SECRET, EVERY_METHOD
from leasehold_api.oauth.parts.refusals import RefusalError
from leasehold_api.oauth.programs.clients import AgentClient
from leasehold_api.oauth.programs.service_clients import ServiceClient, check_is_open
from leasehold_api.oauth.tokens.known_tokens import KnownToken, known_token

INTROSPECTION_METHODS = (ASSERTION, *BY_SECRET)
REVOCATION_METHODS = EVERY_METHOD


class Revocation(RevocationEndpoint):  # type: ignore[misc]  # Authlib has no type information
    """Ends access, refresh and API tokens. What is no token of ours needs no ending: 200."""

    CLIENT_AUTH_METHODS = REVOCATION_METHODS

    def check_params(self, request: Any, client: Any) -> None:  # noqa: ARG002 - Authlib's signature
        """Ask for the token; hints are not needed, so wrong ones do no harm (RFC 7009 section 2.1)."""
        _check_token(request)

    def query_token(self, token_string: str, token_type_hint: str | None) -> KnownToken | None:  # noqa: ARG002
        """Return the token, if it is one of ours."""
        return known_token(self.server, token_string)

    def revoke_token(self, token: KnownToken, request: Any) -> None:
        """End it, and record that."""
        if token.revoke():
            _record(self.server, "oauth.token_revoked", token, request.client)


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]  # Authlib has no type information
    """Tells service clients and agents about tokens of their team, and nothing about others."""

    CLIENT_AUTH_METHODS = INTROSPECTION_METHODS

    def check_params(self, request: Any, client: Any) -> None:
        """Ask for the token; hints are not needed."""
        if isinstance(client, ServiceClient):
            check_is_open(client.account, now=self.server.now)
        _check_token(request)

    def query_token(self, token_string: str, token_type_hint: str | None) -> KnownToken | None:  # noqa: ARG002
        """Return the token, if it is one of ours."""
        return known_token(self.server, token_string)

    def check_permission(self, token: KnownToken, client: Any, request: Any) -> bool:  # noqa: ARG002
        """Say whether the token is of the client's team."""
        match client:
            case ServiceClient():
                return client.account.team_id in token.team_ids
            case AgentClient():
                return client.agent.team_id in token.team_ids
            case _:
                return False

    def introspect_token(self, token: KnownToken) -> dict[str, Any]:
        """Return what there is to know."""
        return {"active": True, **token.facts}


def _check_token(request: Any) -> None:
    if not request.form.get("token"):
        raise RefusalError("invalid_request", "token is missing")


def _record(server: Any, action: str, token: KnownToken, client: Any) -> None:
    entry = AuditEntry(
        at=cast("float", server.now),
        actor=f"client:{client.get_client_id()}",
        action=action,
        object=token.id,
        result="done",
        team_id=next(iter(token.team_ids)) if len(token.team_ids) == 1 else None,
        address=server.address,
        detail={key: token.facts[key] for key in ("sub", "username", "client_id") if key in token.facts},
    )
    server.store.audit(entry)
