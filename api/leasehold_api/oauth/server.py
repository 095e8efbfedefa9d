"""The authorization server: Authlib's, synchronous, made anew for each transaction (it costs microseconds)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from leasehold_api.oauth.kept.store import AuthorityStorage, AuthorityStore
from leasehold_api.oauth.parts.authlib_parts import AuthorizationServer, BasicOAuth2Payload, JsonRequest, OAuth2Request
from leasehold_api.oauth.parts.client_authentication import Client, authenticate
from leasehold_api.oauth.parts.public_clients import PUBLIC_CLIENTS
from leasehold_api.oauth.people.code_grant import CodeGrant
from leasehold_api.oauth.people.device_grant import DeviceGrant
from leasehold_api.oauth.people.device_requests import DeviceAuthorization
from leasehold_api.oauth.people.refresh_grant import RefreshGrant
from leasehold_api.oauth.programs.assertions import AgentAssertion, claimed_client, unknown_agent
from leasehold_api.oauth.programs.clients import AgentClient
from leasehold_api.oauth.programs.grants import CredentialsGrant, TaskTokenGrant
from leasehold_api.oauth.programs.registration import Enrolment, EnrolmentEndpoint
from leasehold_api.oauth.programs.service_clients import ServiceClient, by_assertion
from leasehold_api.oauth.token_endpoints import Introspection, Revocation
from leasehold_api.oauth.tokens.access_tokens import AccessTokens
from leasehold_api.oauth.tokens.people_tokens import PeopleTokens
from leasehold_api.oauth.tokens.task_tokens import TaskTokens

GRANTS = (CredentialsGrant, TaskTokenGrant, CodeGrant, RefreshGrant, DeviceGrant)


@dataclass(frozen=True, slots=True, kw_only=True)
class OauthAnswer:
    """What an OAuth endpoint answers; may be a refusal."""

    status: int
    body: dict[str, Any] = field(repr=False)
    headers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A form that was posted to an OAuth endpoint, and what came with it."""

    form: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False, default_factory=dict[str, str])
    """By lower-case name; ``authorization`` is the one that counts."""
    jkt: str | None
    """Thumbprint of the key that its DPoP proof was made with; none: it had no proof."""
    address: str | None
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedTokens:
    """The kinds of signed tokens."""

    access: AccessTokens
    people: PeopleTokens
    task: TaskTokens


class Authority:
    """Answers the OAuth endpoints, each request in one transaction."""

    def __init__(self, storage: AuthorityStorage, *, issuer: str, tokens: IssuedTokens) -> None:
        self.issuer = issuer
        self._storage = storage
        self._tokens = tokens

    async def token(self, posted: Posted) -> OauthAnswer:
        """Answer ``POST /oauth/token``."""

        def operation(store: AuthorityStore) -> OauthAnswer:
            server = self._server(store, now=posted.now, jkt=posted.jkt, address=posted.address)
            return cast("OauthAnswer", server.create_token_response(self._request(posted, "token")))

        return await self._storage.transact(operation)

    async def device_authorization(self, posted: Posted) -> OauthAnswer:
        """Answer ``POST /oauth/device_authorization``."""
        return await self._endpoint(DeviceAuthorization.ENDPOINT_NAME, posted)

    async def revoke(self, posted: Posted) -> OauthAnswer:
        """Answer ``POST /oauth/revoke``."""
        return await self._endpoint(Revocation.ENDPOINT_NAME, posted)

    async def introspect(self, posted: Posted) -> OauthAnswer:
        """Answer ``POST /oauth/introspect``."""
        return await self._endpoint(Introspection.ENDPOINT_NAME, posted)

    async def register(self, enrolment: Enrolment) -> OauthAnswer:
        """Answer ``POST /oauth/register``."""

        def operation(store: AuthorityStore) -> OauthAnswer:
            server = self._server(store, now=enrolment.now, jkt=enrolment.jkt, address=enrolment.address)
            request = JsonRequest("POST", f"{self.issuer}/oauth/register")
            request.enrolment = enrolment
            return cast("OauthAnswer", server.create_endpoint_response(EnrolmentEndpoint.ENDPOINT_NAME, request))

        return await self._storage.transact(operation)

    async def _endpoint(self, name: str, posted: Posted) -> OauthAnswer:
        def operation(store: AuthorityStore) -> OauthAnswer:
            server = self._server(store, now=posted.now, jkt=posted.jkt, address=posted.address)
            return cast("OauthAnswer", server.create_endpoint_response(name, self._request(posted, name)))

        return await self._storage.transact(operation)

    def _request(self, posted: Posted, endpoint: str) -> _FormRequest:
        return _FormRequest("POST", f"{self.issuer}/oauth/{endpoint}", dict(posted.form), dict(posted.headers))

    def _server(self, store: AuthorityStore, *, now: float, jkt: str | None, address: str | None) -> _Server:
        return _Server(store, issuer=self.issuer, tokens=self._tokens, now=now, proof_jkt=jkt, address=address)


class _Server(AuthorizationServer):  # type: ignore[misc]  # Authlib has no type information
    """Authlib's server for one transaction. Refusals are returned, never raised: what led to them is kept."""

    def __init__(
        self,
        store: AuthorityStore,
        *,
        issuer: str,
        tokens: IssuedTokens,
        now: float,
        proof_jkt: str | None,
        address: str | None,
    ) -> None:
        super().__init__()
        self.store = store
        self.issuer = issuer
        self.access_tokens = tokens.access
        self.people_tokens = tokens.people
        self.task_tokens = tokens.task
        self.now = now
        self.proof_jkt = proof_jkt
        self.address = address
        for grant in GRANTS:
            self.register_grant(grant)
        for endpoint in (EnrolmentEndpoint, DeviceAuthorization, Revocation, Introspection):
            self.register_endpoint(endpoint)

    def query_client(self, client_id: str) -> AgentClient:
        """Return the agent of an id."""
        agent = self.store.agent(client_id)
        if agent is None:
            raise unknown_agent()
        return AgentClient(agent)

    def authenticate_client(self, request: Any, methods: Collection[str], endpoint: str = "token") -> Client:
        """Return the client that a request comes from."""
        return authenticate(
            request, methods, endpoint, client_of=self._client_without_key, by_assertion=self._client_by_assertion
        )

    def _client_without_key(self, client_id: str) -> Client | None:
        account = self.store.people.service_account(client_id)
        return PUBLIC_CLIENTS.get(client_id) if account is None else ServiceClient(account)

    def _client_by_assertion(self, request: Any) -> Client | None:
        assertion = request.form["client_assertion"]
        claimed = claimed_client(assertion) or ""
        if claimed.startswith("svc_"):
            return by_assertion(self.store, self.store.people, assertion, claimed, issuer=self.issuer, now=self.now)
        agents = AgentAssertion(self.store, issuer=self.issuer, now=self.now, address=self.address)
        return cast("Client | None", agents(self.query_client, request))

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


class _FormRequest(OAuth2Request):  # type: ignore[misc]  # Authlib has no type information
    """A form that was read already."""

    def __init__(self, method: str, uri: str, form: dict[str, str], headers: dict[str, str]) -> None:
        super().__init__(method, uri, headers=headers)
        self._form = form
        self.payload = BasicOAuth2Payload(form)

    @property
    def form(self) -> dict[str, str]:
        """The form's fields, each once."""
        return self._form
