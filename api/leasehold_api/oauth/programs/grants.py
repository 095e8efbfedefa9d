"""The grants of programs: an access token for an agent or a service client, a task token for a lease (RFC 8693)."""

from __future__ import annotations

import secrets
from typing import Any, cast

from leasehold_api.oauth.kept.people_store import ServiceAccount
from leasehold_api.oauth.kept.store import EnrolledAgent, HeldLease
from leasehold_api.oauth.parts.authlib_parts import BaseGrant, ClientCredentialsGrant, TokenEndpointMixin
from leasehold_api.oauth.parts.client_authentication import ASSERTION, BY_SECRET
from leasehold_api.oauth.parts.refusals import RefusalError
from leasehold_api.oauth.parts.scopes import SCOPES, granted, unknown_in
from leasehold_api.oauth.programs.clients import AUTH_METHOD, AgentClient
from leasehold_api.oauth.programs.service_clients import ServiceClient, check_is_open
from leasehold_api.oauth.tokens.access_tokens import LIFETIME_S
from leasehold_api.oauth.tokens.keys import SignatureError
from leasehold_api.oauth.tokens.task_tokens import scopes_for
from leasehold_protocol.v1.leases import parse_attempt_id

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a grant type
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a token type


class CredentialsGrant(ClientCredentialsGrant):  # type: ignore[misc]  # Authlib has no type information
    """``client_credentials``: an agent shows its assertion and proof, a service client its secret or assertion."""

    TOKEN_ENDPOINT_AUTH_METHODS = (ASSERTION, *BY_SECRET)

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Return the access token; an agent's is always bound to its key, a service client's when it proves one."""
        if isinstance(self.request.client, ServiceClient):
            return self._for_service_client(self.request.client.account)
        agent = _proven(self)
        token = self.server.access_tokens.issue(agent, jti=secrets.token_urlsafe(12), now=self.server.now)
        return _token_answer(self, token, LIFETIME_S)

    def _for_service_client(self, account: ServiceAccount) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        server, scope = self.server, self.request.payload.scope
        check_is_open(account, now=server.now)
        if unknown := unknown_in(scope or ""):
            raise RefusalError("invalid_scope", f"there is no scope {unknown[0]}; there are: {' '.join(SCOPES)}")
        allowed = granted(scope, roles=[account.role], is_platform_admin=False)
        token = server.people_tokens.issue(
            subject=account.id,
            client_id=account.id,
            sign_in_id=None,
            scope=allowed,
            epoch=account.token_epoch,
            jkt=server.proof_jkt,
            jti=secrets.token_urlsafe(12),
            now=server.now,
        )
        server.store.people.service_account_used(account.id, now=server.now)
        kind = "DPoP" if server.proof_jkt else "Bearer"
        return _token_answer(self, token, LIFETIME_S, kind=kind, scope=allowed)


class TaskTokenGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]  # Authlib has no type information
    """Token exchange (RFC 8693): an agent exchanges its access token for one that opens one lease it holds."""

    GRANT_TYPE = TOKEN_EXCHANGE
    TOKEN_ENDPOINT_AUTH_METHODS = (AUTH_METHOD,)

    def validate_token_request(self) -> None:
        """Authenticate the agent and check the token that it exchanges."""
        self.request.client = self.authenticate_token_endpoint_client()
        data = cast("dict[str, str]", self.request.payload.data)
        if data.get("subject_token_type") != ACCESS_TOKEN:
            raise RefusalError("invalid_request", f"subject_token_type must be {ACCESS_TOKEN}")
        agent = _proven(self)
        self._check_subject(data.get("subject_token", ""), agent)

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Return the task token of the lease that ``resource`` names."""
        agent = _proven(self)
        lease = self._lease(str(self.request.payload.data.get("resource", "")), agent)
        token, expires_in = self.server.task_tokens.issue(
            agent_id=agent.id,
            site_id=agent.site_id,
            team_id=agent.team_id,
            team=agent.team,
            jkt=agent.jkt,
            attempt=f"{lease.task_instance}.{lease.epoch}",
            task_instance=lease.task_instance,
            epoch=lease.epoch,
            run=lease.run,
            dag=lease.dag,
            task=lease.entry.id,
            scopes=scopes_for(lease.entry, lease.granted_connections),
            lease_left_s=lease.expires_at - self.server.now,
            now=self.server.now,
        )
        return _token_answer(self, token, expires_in, issued_token_type=ACCESS_TOKEN)

    def _check_subject(self, subject_token: str, agent: EnrolledAgent) -> None:
        try:
            claims = self.server.access_tokens.claims_of(subject_token)
        except SignatureError as error:
            raise RefusalError("invalid_grant", f"subject_token: {error}") from error
        if claims.agent_id != agent.id or claims.epoch != agent.token_epoch or claims.expires_at <= self.server.now:
            raise RefusalError("invalid_grant", "subject_token must be a current access token of the agent that asks")

    def _lease(self, resource: str, agent: EnrolledAgent) -> HeldLease:
        prefix = f"{self.server.issuer}/leases/"
        try:
            task_instance, epoch = parse_attempt_id(resource.removeprefix(prefix))
        except ValueError:
            task_instance, epoch = "", 0
        if not resource.startswith(prefix) or not task_instance:
            raise RefusalError("invalid_target", f"resource must be {prefix}<attempt id>")
        lease: HeldLease | None = self.server.store.lease(task_instance, epoch=epoch, agent_id=agent.id)
        if lease is None or lease.expires_at <= self.server.now:
            raise RefusalError(
                "invalid_grant", "the lease is lost: it ended, or another attempt has it; stop it", code="lease_lost"
            )
        return lease


def _proven(grant: Any) -> EnrolledAgent:
    """Return the agent that assertion and proof speak for. The first use of a key it proposed retires the other."""
    client = grant.request.client
    if not isinstance(client, AgentClient):
        raise RefusalError("unauthorized_client", "only agents get tokens this way")
    if grant.server.proof_jkt is None:
        raise RefusalError("invalid_dpop_proof", "send exactly one DPoP header with a proof of possession (RFC 9449)")
    if grant.server.proof_jkt != client.proven_jkt:
        raise RefusalError("invalid_dpop_proof", "the DPoP proof must be made with the key that signed the assertion")
    if client.agent.jkt != client.proven_jkt:
        client.agent = grant.server.store.promote_key(client.agent.id, client.proven_jkt, now=grant.server.now)
    return client.agent


def _token_answer(
    grant: Any, token: str, expires_in: float, *, kind: str = "DPoP", **more: str
) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
    body = {"access_token": token, "token_type": kind, "expires_in": int(expires_in), **more}
    return 200, body, grant.TOKEN_RESPONSE_HEADER
