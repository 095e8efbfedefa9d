"""The authorization server: Authlib's, synchronous, made anew for each transaction (it costs microseconds)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from leasehold_api.oauth.access_tokens import AccessTokens
from leasehold_api.oauth.assertions import AgentAssertion, unknown_agent
from leasehold_api.oauth.authlib_parts import AuthorizationServer, BasicOAuth2Payload, JsonRequest, OAuth2Request
from leasehold_api.oauth.clients import AUTH_METHOD, AgentClient
from leasehold_api.oauth.grants import AgentCredentialsGrant, TaskTokenGrant
from leasehold_api.oauth.registration import Enrolment, EnrolmentEndpoint
from leasehold_api.oauth.store import AuthorityStorage, AuthorityStore
from leasehold_api.oauth.task_tokens import TaskTokens


@dataclass(frozen=True, slots=True, kw_only=True)
class OauthAnswer:
    """What an OAuth endpoint answers; may be a refusal."""

    status: int
    body: dict[str, Any] = field(repr=False)
    headers: dict[str, str]


class Authority:
    """Answers the OAuth endpoints, each request in one transaction."""

    def __init__(
        self, storage: AuthorityStorage, *, issuer: str, access_tokens: AccessTokens, task_tokens: TaskTokens
    ) -> None:
        self.issuer = issuer
        self._storage = storage
        self._access_tokens = access_tokens
        self._task_tokens = task_tokens

    async def token(self, form: Mapping[str, str], *, jkt: str, address: str | None, now: float) -> OauthAnswer:
        """Answer ``POST /oauth/token``; ``jkt`` is the thumbprint of the key that the DPoP proof was made with."""

        def operation(store: AuthorityStore) -> OauthAnswer:
            server = self._server(store, now=now, jkt=jkt, address=address)
            request = _TokenRequest("POST", f"{self.issuer}/oauth/token", dict(form))
            return cast("OauthAnswer", server.create_token_response(request))

        return await self._storage.transact(operation)

    async def register(self, enrolment: Enrolment) -> OauthAnswer:
        """Answer ``POST /oauth/register``."""

        def operation(store: AuthorityStore) -> OauthAnswer:
            server = self._server(store, now=enrolment.now, jkt=enrolment.jkt, address=enrolment.address)
            request = JsonRequest("POST", f"{self.issuer}/oauth/register")
            request.enrolment = enrolment
            return cast("OauthAnswer", server.create_endpoint_response(EnrolmentEndpoint.ENDPOINT_NAME, request))

        return await self._storage.transact(operation)

    def _server(self, store: AuthorityStore, *, now: float, jkt: str, address: str | None) -> _Server:
        return _Server(
            store,
            issuer=self.issuer,
            access_tokens=self._access_tokens,
            task_tokens=self._task_tokens,
            now=now,
            proof_jkt=jkt,
            address=address,
        )


class _Server(AuthorizationServer):  # type: ignore[misc]  # Authlib has no type information
    """Authlib's server for one transaction. Refusals are returned, never raised: what led to them is kept."""

    def __init__(
        self,
        store: AuthorityStore,
        *,
        issuer: str,
        access_tokens: AccessTokens,
        task_tokens: TaskTokens,
        now: float,
        proof_jkt: str,
        address: str | None,
    ) -> None:
        super().__init__()
        self.store = store
        self.issuer = issuer
        self.access_tokens = access_tokens
        self.task_tokens = task_tokens
        self.now = now
        self.proof_jkt = proof_jkt
        self.register_client_auth_method(AUTH_METHOD, AgentAssertion(store, issuer=issuer, now=now, address=address))
        self.register_grant(AgentCredentialsGrant)
        self.register_grant(TaskTokenGrant)
        self.register_endpoint(EnrolmentEndpoint)

    def query_client(self, client_id: str) -> AgentClient:
        """Return the agent of an id."""
        agent = self.store.agent(client_id)
        if agent is None:
            raise unknown_agent()
        return AgentClient(agent)

    def create_oauth2_request(self, request: Any) -> Any:
        """Return the request: it comes in Authlib's form already."""
        return request

    def create_json_request(self, request: Any) -> Any:
        """Return the request: it comes in Authlib's form already."""
        return request

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def handle_response(self, status: int, body: dict[str, Any], headers: list[tuple[str, str]]) -> OauthAnswer:
        """Return the answer as data."""
        return OauthAnswer(status=status, body=body, headers=dict(headers))


class _TokenRequest(OAuth2Request):  # type: ignore[misc]  # Authlib has no type information
    """A form that was read already."""

    def __init__(self, method: str, uri: str, form: dict[str, str]) -> None:
        super().__init__(method, uri)
        self._form = form
        self.payload = BasicOAuth2Payload(form)

    @property
    def form(self) -> dict[str, str]:
        """The form's fields, each once."""
        return self._form
