"""Enrolment by a person's approval, against an authorization server that speaks RFC 8628 to the letter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import httpx
import pytest
import respx
from joserfc import jws, jwt
from joserfc.jwk import ECKey

from leasehold_agent.clock import ServerClock
from leasehold_agent.errors import RefusedError, UnavailableError
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.identity.device_flow import DeviceFlow, Waiting
from leasehold_agent.identity.key import AgentKey
from leasehold_agent.identity.key_in_use import KeyInUse
from leasehold_agent.identity.oauth import ServerMetadata
from leasehold_agent.link.http import Http

API = "https://leasehold.example"
DEVICE, TOKEN = f"{API}/oauth/device", f"{API}/oauth/token"
ENROLMENT_TOKEN = "enr_0123456789ab." + "A" * 43
CODE = {
    "device_code": "dev-1",
    "user_code": "WDJB-MJHT",
    "verification_uri": f"{API}/device",
    "expires_in": 600,
    "interval": 5,
}
APPROVED = {"access_token": ENROLMENT_TOKEN, "token_type": "DPoP", "expires_in": 600}
METADATA = ServerMetadata(
    issuer=API,
    registration_endpoint=f"{API}/oauth/register",
    token_endpoint=TOKEN,
    device_authorization_endpoint=DEVICE,
)


@dataclass
class Time:
    """A clock that only sleeping moves."""

    at: float = 1000.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


class Server:
    """Wants a nonce in every proof; answers polls with what a test says, in turn."""

    def __init__(self, *answers: httpx.Response | Exception | str) -> None:
        self._answers = list(answers)
        self.forms: list[dict[str, str]] = []
        self.keys: set[str] = set()

    def begin(self, request: httpx.Request) -> httpx.Response:
        return self._proven(request, lambda: httpx.Response(200, json=CODE))

    def poll(self, request: httpx.Request) -> httpx.Response:
        return self._proven(request, self._next)

    def _next(self) -> httpx.Response:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(400, json={"error": answer}) if isinstance(answer, str) else answer

    def _proven(self, request: httpx.Request, then: object) -> httpx.Response:
        proof = request.headers["dpop"]
        jwk = _header(proof)
        claims = jwt.decode(proof, ECKey.import_key(jwk["jwk"]), algorithms=["ES256"]).claims
        assert (claims["htm"], claims["htu"]) == ("POST", str(request.url))
        if claims.get("nonce") != "n-1":
            return httpx.Response(400, headers={"DPoP-Nonce": "n-1"}, json={"error": "use_dpop_nonce"})
        self.keys.add(ECKey.import_key(jwk["jwk"]).thumbprint())
        self.forms.append({name: values[0] for name, values in parse_qs(request.content.decode()).items()})
        return then()  # type: ignore[operator]


def _header(text: str) -> dict[str, dict[str, str]]:
    return dict(jws.extract_compact(text.encode()).headers())


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    link = Http(API, clock=ServerClock(), version="0")
    yield link
    await link.close()


async def go(http: Http, server: Server, *, time: Time | None = None, key: AgentKey | None = None) -> str:
    time = time or Time()
    respx.post(DEVICE).mock(side_effect=server.begin)
    respx.post(TOKEN).mock(side_effect=server.poll)
    waiting = Waiting(clock=lambda: time.at, sleep=time.sleep)
    flow = DeviceFlow(http, KeyInUse(key or AgentKey.generate()), METADATA, clock=ServerClock(), waiting=waiting)
    return (await flow.approval(await flow.begin(name="north-1"))).text.reveal()


@respx.mock
async def test_the_approval_gives_the_token_and_every_request_is_proved_by_one_key(http: Http) -> None:
    server, key = Server("authorization_pending", httpx.Response(200, json=APPROVED)), AgentKey.generate()

    token = await go(http, server, key=key)

    assert token == ENROLMENT_TOKEN
    assert server.keys == {key.thumbprint}
    asked, *polls = server.forms
    assert asked == {"client_id": "edge-agent", "client_name": "north-1", "scope": "enrol"}
    assert (
        polls
        == [
            {
                "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
                "device_code": "dev-1",
                "client_id": "edge-agent",
            }
        ]
        * 2
    )


@respx.mock
async def test_a_server_that_asks_to_slow_down_is_asked_five_seconds_later_from_then_on(http: Http) -> None:
    time = Time()

    await go(
        http, Server("slow_down", "authorization_pending", "slow_down", httpx.Response(200, json=APPROVED)), time=time
    )

    assert time.slept == [5, 10, 10, 15]


@respx.mock
async def test_a_server_that_is_away_for_a_while_is_asked_less_and_less_often(http: Http) -> None:
    time = Time()

    await go(
        http,
        Server(
            httpx.ConnectError("a"), httpx.Response(503), httpx.ConnectError("b"), httpx.Response(200, json=APPROVED)
        ),
        time=time,
    )

    assert time.slept == [5, 10, 20, 40]


@pytest.mark.parametrize(("error", "says"), [("access_denied", "denied"), ("expired_token", "expired")])
@respx.mock
async def test_a_denial_and_a_late_answer_end_the_waiting_with_the_cure(http: Http, error: str, says: str) -> None:
    with pytest.raises(OperatorError, match=says) as raised:
        await go(http, Server("authorization_pending", error))

    assert raised.value.exit_code is Exit.TOKEN_REFUSED
    assert "again" in raised.value.cure


@respx.mock
async def test_nobody_is_waited_for_longer_than_the_code_is_good(http: Http) -> None:
    time = Time()

    with pytest.raises(OperatorError, match="expired"):
        await go(http, Server(*["authorization_pending"] * 200), time=time)

    assert sum(time.slept) <= CODE["expires_in"] + CODE["interval"]


@respx.mock
async def test_another_refusal_is_not_taken_for_waiting(http: Http) -> None:
    with pytest.raises(RefusedError) as raised:
        await go(http, Server("invalid_grant"))

    assert raised.value.code == "invalid_grant"


@pytest.mark.parametrize("wrong", [{"token_type": "Bearer"}, {"access_token": "lht_0123456789ab." + "A" * 43}])
@respx.mock
async def test_an_answer_that_is_no_enrolment_token_is_not_used(http: Http, wrong: dict[str, str]) -> None:
    with pytest.raises((UnavailableError, OperatorError)) as raised:
        await go(http, Server(httpx.Response(200, json=APPROVED | wrong), *["access_denied"]))

    assert "A" * 43 not in str(raised.value)


async def test_an_api_without_approvals_is_named_with_what_works_instead(http: Http) -> None:
    metadata = METADATA.model_copy(update={"device_authorization_endpoint": None})
    flow = DeviceFlow(http, KeyInUse(AgentKey.generate()), metadata, clock=ServerClock(), waiting=Waiting())

    with pytest.raises(OperatorError) as raised:
        await flow.begin(name="north-1")

    assert "--token-file" in raised.value.cure
