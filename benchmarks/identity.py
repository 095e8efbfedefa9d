"""What it costs to know who calls: a DPoP-bound request beside an open route of the same run, and enrolments."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.requests import Request

from benchmarks.figures import Aim, Figure, Floor
from benchmarks.floors import Floors
from leasehold_api import clock
from leasehold_api.oauth.parts.rates import Rates
from leasehold_api.oauth.possession.proofs import Proof, read_proof
from leasehold_api.oauth.tokens.access_tokens import AccessTokens
from leasehold_api.storage.sql_callers import SqlCallers
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, Api, EnrolledAgent, open_api

PATH = "/v1/agent/renewals"


def measure(home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Measure on SQLite, in this process: its processor time is that of the API, proofs are made beforehand."""
    home.mkdir()
    return asyncio.run(_measure(home, floors, times=200 if quick else 2000))


async def _measure(home: Path, floors: Floors, *, times: int) -> list[Figure]:
    async with open_api(home / "state") as api:
        await api.make_site("bench")
        agent = await api.enrol("bench")
        open_ms = await _cpu_ms(lambda: api.client.get("/healthz"), times)
        cached = await _authenticating(api, agent, [agent.token] * times)
        fresh = await _authenticating(api, agent, _several_tokens(agent, times))
        tokens = AccessTokens(issuer=ISSUER, keys=api.house.signing_keys)
        callers = SqlCallers(api.database)
        status_ms = await _cpu_ms(lambda: callers.agent(agent.id, jti="bench"), times)
        proofs = iter([agent.key.proof("POST", ISSUER + PATH, token=agent.token) for _ in range(times + 1)])
        proof_ms = await _cpu_ms(lambda: _done(_read(next(proofs), agent.token)), times)
        hit_ms = await _cpu_ms(lambda: _done(tokens.claims_of(agent.token)), times * 5)
        enrolments = await _enrolments_per_s(api, max(20, times // 10))
    signature = Floor(name="one ES256 check", value=_signature_ms(times))
    return [
        Figure(name="open route, CPU", value=open_ms, unit="ms", note="/healthz, client included"),
        Figure(name="authentication, CPU", value=cached, unit="ms", floor=signature, aim=Aim(value=0.4)),
        Figure(name="… of a token not seen before", value=fresh, unit="ms", floor=signature, aim=Aim(value=0.4)),
        Figure(name="… checking the proof", value=proof_ms, unit="ms", floor=signature),
        Figure(name="… reading the agent's status", value=status_ms, unit="ms", note="each time"),
        Figure(name="… a verified token found again", value=hit_ms, unit="ms", aim=Aim(value=0.05)),
        Figure(
            name="enrolments",
            value=enrolments,
            unit="per second",
            floor=Floor(name="commits per second", value=1000 / floors.commit_ms),
            note="8 at once",
        ),
    ]


async def _authenticating(api: Api, agent: EnrolledAgent, tokens: list[str]) -> float:
    """Return the processor time of finding out who calls, the agent's status in the database included."""
    authentication = api.house.authentication
    requests = iter([_request(agent.key, token) for token in tokens])
    return await _cpu_ms(lambda: authentication.agent(next(requests), while_finishing=True), len(tokens) - 1)


def _several_tokens(agent: EnrolledAgent, times: int) -> list[str]:
    """Return access tokens that the API has never seen."""
    claims = agent.api.house.signing_keys.verified(agent.token, typ="at+jwt")
    sign = agent.api.house.signing_keys.sign
    return [sign({"typ": "at+jwt"}, {**claims, "jti": f"bench-{number}"}) for number in range(times)]


def _request(key: AgentKey, token: str) -> Request:
    proof = key.proof("POST", ISSUER + PATH, token=token)
    headers = [(b"authorization", f"DPoP {token}".encode()), (b"dpop", proof.encode())]
    return Request({"type": "http", "method": "POST", "path": PATH, "headers": headers})


async def _cpu_ms(action: Callable[[], Awaitable[object]], times: int) -> float:
    await action()
    began = time.process_time()
    for _ in range(times):
        await action()
    return (time.process_time() - began) / times * 1000


def _read(proof: str, token: str) -> Proof:
    return read_proof(proof, method="POST", url=ISSUER + PATH, now=clock.now(), access_token=token)


async def _done(value: object) -> object:
    return value


async def _enrolments_per_s(api: Api, times: int) -> float:
    api.app.state.house = replace(api.house, enrolment_rates=Rates(burst=10**6, per_s=10**6))
    prepared = [(AgentKey(), await api.make_enrolment_token("bench")) for _ in range(times)]
    proofs = [key.proof("POST", f"{ISSUER}/oauth/register", token=token, nonce=api.nonce) for key, token in prepared]
    left = list(zip(prepared, proofs, range(times), strict=True))

    async def enrol() -> None:
        while left:
            (key, token), proof, number = left.pop()
            answer = await api.ask_enrolment(key, token, proof=proof, client_name=f"bench-{number}")
            answer.raise_for_status()

    began = time.perf_counter()
    await asyncio.gather(*(enrol() for _ in range(8)))
    return times / (time.perf_counter() - began)


def _signature_ms(times: int) -> float:
    """Return the least that a proof takes: one check of its signature, by the library that all others use."""
    key, message, how = ec.generate_private_key(ec.SECP256R1()), b"x" * 600, ec.ECDSA(hashes.SHA256())
    public, signature = key.public_key(), key.sign(message, how)
    began = time.process_time()
    for _ in range(times):
        public.verify(signature, message, how)
    return (time.process_time() - began) / times * 1000
