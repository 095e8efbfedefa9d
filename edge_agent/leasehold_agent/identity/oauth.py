"""What the agent asks of the API's OAuth routes: metadata, registration, access tokens, task tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from pydantic import BaseModel

from leasehold_agent.calls import Answer, Call, check, decoded
from leasehold_agent.clock import ServerClock
from leasehold_agent.errors import RefusedError, Trouble, UnavailableError
from leasehold_agent.identity.enrolment_token import EnrolmentToken
from leasehold_agent.identity.key import AgentKey
from leasehold_agent.identity.key_in_use import KeyInUse
from leasehold_agent.identity.proven import Sender, send_proven
from leasehold_agent.secret import Secret
from leasehold_protocol.v1.agents import AgentRegistration, RegisteredAgent

METADATA_PATH = "/.well-known/oauth-authorization-server"
REGISTER_PATH = "/oauth/register"
TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type's name
_CLOCK_MATTERS_S = 5.0


class ServerMetadata(BaseModel):
    """What the agent needs of the authorization server's metadata (RFC 8414)."""

    issuer: str
    registration_endpoint: str
    token_endpoint: str
    device_authorization_endpoint: str | None = None
    """None: it lets no agent in by a person's approval."""


class _TokenAnswer(BaseModel):
    access_token: str
    token_type: str
    expires_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A token, and how long it lasts from the moment it was asked for, in seconds."""

    token: Secret
    lasts_s: float


async def discover(http: Sender) -> ServerMetadata:
    """Return what the API says about itself, which also proves that it is a Leasehold API.

    Raises:
        UnavailableError: what answers is something else, or nothing answers.
    """
    answer = await http.send(Call(method="GET", url=METADATA_PATH, timeout_s=15.0))
    if answer.status == 404:
        raise UnavailableError(Trouble.NOT_THE_API, "it has no OAuth metadata (404)")
    return decoded(ServerMetadata, check(answer))


async def register(
    http: Sender, key: AgentKey, token: EnrolmentToken | None, *, name: str, version: str, clock: ServerClock
) -> RegisteredAgent:
    """Register the agent's public key (RFC 7591), with a one-time token or, where the API knows the key's thumbprint
    beforehand, by the proof of having it alone. The same key may ask again.

    Raises:
        LinkError: RefusedError tells by its code why the token was not accepted.
    """
    body = AgentRegistration(client_name=name, jwks={"keys": [key.public_jwk]}, software_version=version)
    secret = token.text.reveal() if token else None
    keys = KeyInUse(key)

    def compose() -> Call:
        proof = keys.proof(method="POST", url=http.absolute(REGISTER_PATH), now=clock.now(), token=secret)
        headers = {"dpop": proof, "content-type": "application/json"}
        if secret is not None:
            headers["authorization"] = f"Bearer {secret}"
        return Call(method="POST", url=REGISTER_PATH, headers=headers, body=body.model_dump_json().encode())

    answer = await send_proven(http, keys, compose)
    return decoded(RegisteredAgent, check(about_the_client(answer)))


class TokenRequests:
    """Asks the token endpoint, proving itself with a fresh assertion each time (RFC 7523, 2.2)."""

    def __init__(
        self,
        http: Sender,
        keys: KeyInUse,
        *,
        client_id: str,
        issuer: str,
        clock: ServerClock,
        generation: Callable[[], int],
    ) -> None:
        self._http = http
        self._keys = keys
        self._client_id = client_id
        self._issuer = issuer
        self._clock = clock
        self._generation = generation
        # One request at a time: a generation that overtakes another is refused, and so is a key that was just replaced.
        self._asking = asyncio.Lock()

    async def access_token(self) -> Granted:
        """Return a new access token for the agent routes.

        Raises:
            LinkError: RefusedError when the API does not know this agent, LockedError when it is locked.
        """
        return await self._ask({"grant_type": "client_credentials"})

    async def task_token(self, access_token: Secret, attempt: str) -> Granted:
        """Return a new task token for one attempt (RFC 8693).

        Raises:
            LinkError: LeaseLostError or RefusedError when this agent does not hold the attempt.
        """
        return await self._ask(
            {
                "grant_type": _EXCHANGE,
                "subject_token": access_token.reveal(),
                "subject_token_type": _ACCESS_TOKEN,
                "resource": f"{self._issuer.rstrip('/')}/leases/{attempt}",
            }
        )

    async def use_successor(self) -> Granted:
        """Return an access token by the successor of the key, which retires the key: from now on it alone signs.

        Raises:
            LinkError: as ``access_token`` does. When the answer was lost, the next request finds out who signs.
        """
        async with self._asking:
            granted = await self._ask_as(
                self._keys.successor or self._keys.current, {"grant_type": "client_credentials"}
            )
            self._keys.switch()
            return granted

    async def _ask(self, form: dict[str, str]) -> Granted:
        async with self._asking:
            try:
                return await self._ask_as(self._keys.current, form)
            except RefusedError as error:
                if error.code != "invalid_client" or self._keys.successor is None:
                    raise
                refused = error
            # A rotation's last answer was lost, or its end was not recorded: the API knows the successor only.
            try:
                granted = await self._ask_as(self._keys.successor, form)
            except RefusedError:
                raise refused from None
            self._keys.switch()
            return granted

    async def _ask_as(self, key: AgentKey, form: dict[str, str]) -> Granted:
        ahead_s = self._clock.ahead_s
        try:
            return await self._ask_once(key, form)
        except RefusedError:
            # The answer told the server's time. Where our clock was wrong, so was the assertion: once more.
            if abs(self._clock.ahead_s - ahead_s) < _CLOCK_MATTERS_S:
                raise
        return await self._ask_once(key, form)

    async def _ask_once(self, key: AgentKey, form: dict[str, str]) -> Granted:
        def compose() -> Call:
            now = self._clock.now()
            assertion = key.assertion(
                client_id=self._client_id, audience=self._issuer, generation=self._generation(), now=now
            )
            whole = {**form, "client_assertion_type": _ASSERTION, "client_assertion": assertion}
            headers = {
                "content-type": "application/x-www-form-urlencoded",
                "dpop": self._keys.proof(method="POST", url=self._http.absolute(TOKEN_PATH), now=now, key=key),
            }
            return Call(method="POST", url=TOKEN_PATH, headers=headers, body=urlencode(whole).encode())

        answer = await send_proven(self._http, self._keys, compose)
        granted = decoded(_TokenAnswer, check(about_the_client(answer)))
        return Granted(token=Secret(granted.access_token), lasts_s=granted.expires_in)


def about_the_client(answer: Answer) -> Answer:
    """Return a 401 of an OAuth route as what it is: about the client's credential, not about an access token."""
    return Answer(status=400, headers=answer.headers, body=answer.body) if answer.status == 401 else answer
