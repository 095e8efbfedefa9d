"""The link: what each kind of answer means, when it asks again, and how a rejected token is replaced."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import respx

from leasehold_agent.backoff import Backoff, persist
from leasehold_agent.calls import Answer, Call, check, done
from leasehold_agent.clock import ServerClock
from leasehold_agent.delivery.uploads import Uploads
from leasehold_agent.errors import (
    LeaseLostError,
    LinkError,
    LockedError,
    RefusedError,
    TokenRejectedError,
    Trouble,
    UnavailableError,
)
from leasehold_agent.identity.access import CachedToken
from leasehold_agent.identity.key import AgentKey
from leasehold_agent.identity.key_in_use import KeyInUse
from leasehold_agent.identity.oauth import Granted, TokenRequests, discover
from leasehold_agent.link.api import Api
from leasehold_agent.link.http import Http
from leasehold_agent.link.session import Session
from leasehold_agent.secret import Secret
from leasehold_protocol.v1.leases import LeaseRequest

API = "http://127.0.0.1:8420"
PROBLEM = {"content-type": "application/problem+json"}


def problem(status: int, code: str, **more: object) -> Answer:
    body = json.dumps({"title": code, "status": status, "code": code, **more}).encode()
    return Answer(status=status, headers=PROBLEM, body=body)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(409, "lease_lost"), LeaseLostError),
        (problem(409, "offset_mismatch", offset=3), RefusedError),
        (problem(403, "agent_locked"), LockedError),
        (problem(403, "not_granted"), RefusedError),
        (problem(401, "token_expired"), TokenRejectedError),
        (problem(401, "unauthenticated"), TokenRejectedError),
        (problem(429, "too_many_requests"), UnavailableError),
        (problem(500, "internal"), UnavailableError),
        (problem(503, "unavailable"), UnavailableError),
        (problem(422, "invalid_request"), RefusedError),
        (problem(426, "version_unsupported"), RefusedError),
    ],
)
def test_a_problem_is_sorted_by_what_to_do_about_it(answer: Answer, kind: type[LinkError]) -> None:
    with pytest.raises(LinkError) as raised:
        check(answer)

    assert type(raised.value) is kind


@pytest.mark.parametrize("status", [302, 401, 403, 404, 407, 409, 502])
def test_an_answer_that_no_api_gave_is_unavailable_never_refused_or_lost(status: int) -> None:
    page = Answer(status=status, headers={"content-type": "text/html"}, body=b"<html>Please sign in</html>")

    with pytest.raises(UnavailableError):
        check(page)


def test_retry_after_is_taken_over() -> None:
    busy = problem(503, "unavailable")

    with pytest.raises(UnavailableError) as raised:
        check(Answer(status=503, headers={**PROBLEM, "retry-after": "7"}, body=busy.body))

    assert raised.value.retry_after_s == 7


def test_waits_grow_to_half_a_minute_begin_again_after_success_and_honour_retry_after() -> None:
    longest = Backoff(uniform=lambda low, high: high)

    waits = [longest.after_failure() for _ in range(8)]
    asked = longest.after_failure(retry_after_s=20)
    longest.after_success()

    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert asked == 50
    assert longest.after_failure() == 0.5
    assert longest.after_failure(retry_after_s=3600) <= 330


async def test_only_what_waiting_cures_is_asked_again() -> None:
    answers: list[LinkError] = [UnavailableError(Trouble.TIMEOUT), TokenRejectedError(), RefusedError(422, "x")]
    at_once = Backoff(uniform=lambda low, high: 0.0)

    async def ask() -> None:
        raise answers.pop(0)

    with pytest.raises(RefusedError):
        await persist(ask, backoff=at_once)

    assert answers == []


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    link = Http(API, clock=ServerClock(), version="0")
    yield link
    await link.close()


class Tokens:
    """Gives out at-1, at-2, …"""

    def __init__(self, *, lasts_s: float = 600) -> None:
        self.given = 0
        self.lasts_s = lasts_s
        self.trouble: LinkError | None = None
        self.now = 0.0
        self.cache = CachedToken(self.ask, clock=lambda: self.now)

    async def ask(self) -> Granted:
        if self.trouble:
            raise self.trouble
        self.given += 1
        return Granted(token=Secret(f"at-{self.given}"), lasts_s=self.lasts_s)


@respx.mock
async def test_a_401_while_working_gets_a_new_token_and_goes_on(http: Http) -> None:
    tokens = Tokens()
    session = Session(http, KeyInUse(AgentKey.generate()), tokens.cache, ServerClock())
    expired = httpx.Response(401, headers=PROBLEM, content=problem(401, "token_expired").body)
    route = respx.post(f"{API}/v1/agent/leases").mock(side_effect=[expired, httpx.Response(204)])

    answer = await Api(http, session).lease(LeaseRequest(free_slots=2))

    assert answer.leases == []
    assert [call.request.headers["authorization"] for call in route.calls] == ["DPoP at-1", "DPoP at-2"]
    proofs = {call.request.headers["dpop"] for call in route.calls}
    assert len(proofs) == 2


@respx.mock
async def test_two_401s_in_a_row_are_an_outage_and_kill_nothing(http: Http) -> None:
    session = Session(http, KeyInUse(AgentKey.generate()), Tokens().cache, ServerClock())
    respx.get(f"{API}/v1/x").respond(401, headers=PROBLEM, content=problem(401, "unauthenticated").body)

    with pytest.raises(UnavailableError) as raised:
        await session.send(Call(method="GET", url="/v1/x"))

    assert raised.value.trouble is Trouble.TOKEN


async def test_a_token_is_renewed_when_half_of_its_time_is_over_and_kept_through_an_outage() -> None:
    tokens = Tokens()

    first = await tokens.cache.current()
    tokens.now = 299
    second = await tokens.cache.current()
    tokens.now, tokens.trouble = 301, UnavailableError(Trouble.TIMEOUT)
    third = await tokens.cache.current()
    tokens.trouble = None
    fourth = await tokens.cache.current()

    assert [first, second, third, fourth] == [Secret("at-1")] * 3 + [Secret("at-2")]


async def test_an_expired_token_is_not_used_in_an_outage() -> None:
    tokens = Tokens()
    await tokens.cache.current()
    tokens.now, tokens.trouble = 601, UnavailableError(Trouble.TIMEOUT)

    with pytest.raises(UnavailableError):
        await tokens.cache.current()


@respx.mock
async def test_a_login_page_with_status_200_is_an_outage(http: Http) -> None:
    session = Session(http, KeyInUse(AgentKey.generate()), Tokens().cache, ServerClock())
    respx.post(f"{API}/v1/agent/leases").respond(200, html="<html>Sign in</html>")

    with pytest.raises(UnavailableError) as raised:
        await Api(http, session).lease(LeaseRequest(free_slots=1))

    assert raised.value.trouble is Trouble.NOT_THE_API


@pytest.mark.parametrize(
    ("cause", "trouble"),
    [
        (httpx.ConnectError("x"), Trouble.BROKEN),
        (httpx.ReadTimeout("x"), Trouble.TIMEOUT),
        (httpx.ConnectTimeout("x"), Trouble.TIMEOUT),
        (httpx.RemoteProtocolError("x"), Trouble.BROKEN),
    ],
)
@respx.mock
async def test_what_the_client_meets_is_said_in_our_own_words(http: Http, cause: Exception, trouble: Trouble) -> None:
    respx.get(f"{API}/x").mock(side_effect=cause)

    with pytest.raises(UnavailableError) as raised:
        await http.send(Call(method="GET", url="/x"))

    assert raised.value.trouble is trouble


@respx.mock
async def test_a_wrong_local_clock_is_learnt_from_the_answer_and_the_request_made_again(http: Http) -> None:
    clock = ServerClock()
    link = Http(API, clock=clock, version="0")
    generations = iter(range(1, 9))
    requests = TokenRequests(
        link,
        KeyInUse(AgentKey.generate()),
        client_id="a",
        issuer=API,
        clock=clock,
        generation=lambda: next(generations),
    )
    ahead = {"date": "Wed, 21 Oct 2099 07:28:00 GMT"}
    route = respx.post(f"{API}/oauth/token").mock(
        side_effect=[
            httpx.Response(400, headers=ahead, json={"error": "invalid_client", "error_description": "expired"}),
            httpx.Response(200, headers=ahead, json={"access_token": "x", "token_type": "DPoP", "expires_in": 600}),
        ]
    )

    granted = await requests.access_token()
    await link.close()

    assert granted.token == Secret("x")
    assert route.call_count == 2
    assert next(generations) == 3, "a generation is never used twice"


@respx.mock
async def test_a_locked_agent_is_told_apart_from_an_unknown_one(http: Http) -> None:
    requests = TokenRequests(
        http, KeyInUse(AgentKey.generate()), client_id="a", issuer=API, clock=ServerClock(), generation=lambda: 1
    )
    locked = {"error": "invalid_client", "error_description": "locked by an admin", "code": "agent_locked"}
    respx.post(f"{API}/oauth/token").mock(
        side_effect=[httpx.Response(400, json=locked), httpx.Response(401, json={"error": "invalid_client"})]
    )

    with pytest.raises(LockedError, match="locked by an admin"):
        await requests.access_token()
    with pytest.raises(RefusedError) as unknown:
        await requests.access_token()
    assert unknown.value.code == "invalid_client"


@respx.mock
async def test_something_else_at_the_address_is_recognised_before_a_token_is_sent(http: Http) -> None:
    route = respx.get(f"{API}/.well-known/oauth-authorization-server")

    for answer in (
        httpx.Response(404, json={"detail": "Not Found"}),
        httpx.Response(200, html="<html>router</html>"),
        httpx.Response(200, json={"hello": 1}),
        httpx.Response(301, headers={"location": "https://elsewhere.example.com"}),
    ):
        route.mock(return_value=answer)
        with pytest.raises(UnavailableError) as raised:
            await discover(http)
        assert raised.value.trouble is Trouble.NOT_THE_API


@respx.mock
async def test_large_log_parts_are_compressed_and_small_ones_are_not(http: Http) -> None:
    session = Session(http, KeyInUse(AgentKey.generate()), Tokens().cache, ServerClock())
    route = respx.patch(f"{API}/v1/attempts/ti-1.1/log").respond(json={"offset": 5})

    await Api(http, session).log("ti-1.1", offset=0, data=b"short")
    await Api(http, session).log("ti-1.1", offset=5, data=b"x" * 100_000, whole=(100_005, "0" * 64))

    small, large = (call.request for call in route.calls)
    assert "content-encoding" not in small.headers
    assert large.headers["content-encoding"] == "gzip"
    assert len(large.content) < 1000
    assert large.headers["upload-length"] == "100005"


@respx.mock
async def test_tokens_go_to_the_api_and_never_to_an_object_store(http: Http, tmp_path: Path) -> None:
    session = Session(http, KeyInUse(AgentKey.generate()), Tokens().cache, ServerClock())
    respx.post(f"{API}/v1/attempts/ti-1.1/uploads").respond(json={"url": "https://bucket.example.com/put?sig=1"})
    presigned = respx.put("https://bucket.example.com/put").respond(200)

    value = tmp_path / "value"
    value.write_bytes(b"abc")

    await Uploads(Api(http, session), asyncio.Semaphore()).bring("ti-1.1", value, sha256="0" * 64, size=3)

    assert "authorization" not in presigned.calls[0].request.headers
    assert presigned.calls[0].request.content == b"abc"


@pytest.mark.parametrize("status", [200, 201])
def test_a_login_page_is_no_acknowledgement(status: int) -> None:
    with pytest.raises(UnavailableError):
        done(Answer(status=status, headers={"content-type": "text/html"}, body=b"<html>sign in"))

    done(Answer(status=204, headers={}, body=b""))
