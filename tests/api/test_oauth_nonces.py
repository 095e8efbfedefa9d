"""Nonces of the server: they make a proof fresh whatever its maker's clock says, and every process knows them."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold_api import clock
from leasehold_api.context.sealing import Sealer
from leasehold_api.oauth.possession.nonces import LIFE_S, RENEWED_AFTER_S, Nonces
from leasehold_api.oauth.possession.proofs import NonceWantedError, ProofError, read_proof
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, Api, EnrolledAgent

NOW = 1_800_000_000.0
RENEWALS = "/v1/agent/renewals"
HOURS = 5 * 3600
URL = "https://leasehold.example/oauth/token"
KEY = AgentKey()


def nonces(*keys: bytes) -> Nonces:
    return Nonces(lambda: keys)


def test_a_nonce_tells_its_age_until_its_end_comes() -> None:
    ours = nonces(b"k")
    nonce = ours.fresh(now=NOW)

    assert ours.age_s(nonce, now=NOW + 120) == 120
    assert ours.age_s(nonce, now=NOW + LIFE_S) == LIFE_S
    assert ours.age_s(nonce, now=NOW + LIFE_S + 1) is None
    assert ours.age_s(nonce, now=NOW - 3600) is None


def test_another_servers_nonce_is_not_good() -> None:
    assert nonces(b"k").age_s(nonces(b"other").fresh(now=NOW), now=NOW) is None


@given(st.text(max_size=64) | st.text(string.ascii_letters + string.digits + "-_=", min_size=32, max_size=32))
def test_what_was_never_handed_out_is_not_good(text: str) -> None:
    assert nonces(b"k").age_s(text, now=NOW) is None


def test_no_bit_of_a_nonce_can_be_changed() -> None:
    ours = nonces(b"k")
    nonce = ours.fresh(now=NOW)

    changed = [
        nonce[:at] + other + nonce[at + 1 :] for at in range(len(nonce)) for other in "Ab9_" if other != nonce[at]
    ]

    assert [text for text in changed if ours.age_s(text, now=NOW) is not None] == []


def test_a_process_that_does_not_know_a_new_key_yet_looks_again() -> None:
    known = [(b"old",), (b"new", b"old")]
    behind = Nonces(lambda: known.pop(0))
    ahead = nonces(b"new", b"old")

    assert ahead.age_s(behind.fresh(now=NOW), now=NOW) == 0
    assert behind.age_s(ahead.fresh(now=NOW), now=NOW) == 0


def test_keys_that_are_derived_differ_by_purpose_and_key_and_the_active_one_is_first() -> None:
    sealer = Sealer({"1": b"a" * 32, "2": b"b" * 32}, active="2")

    newest, oldest = sealer.derived("nonces")

    assert (oldest,) == Sealer({"1": b"a" * 32}, active="1").derived("nonces")
    assert len({newest, oldest, *sealer.derived("something else"), b"a" * 32, b"b" * 32}) == 6


@pytest.mark.parametrize("off_s", [-HOURS, HOURS])
def test_with_a_nonce_the_clock_of_whoever_made_the_proof_does_not_count(off_s: int) -> None:
    ours = nonces(b"k")
    text = KEY.proof("POST", URL, iat=NOW + off_s, nonce=ours.fresh(now=NOW - 60))

    proof = read_proof(text, method="POST", url=URL, now=NOW, nonces=ours)

    assert (proof.nonce_age_s, proof.good_until) == (60, NOW - 60 + LIFE_S)
    with pytest.raises(ProofError, match="correct the clock"):
        read_proof(KEY.proof("POST", URL, iat=NOW + off_s), method="POST", url=URL, now=NOW, nonces=ours)


@pytest.mark.parametrize("nonce", ["made-up", 7, "", None])
def test_a_nonce_that_is_wrong_or_missing_where_it_is_needed_is_asked_for(nonce: object) -> None:
    text = KEY.proof("POST", URL, iat=NOW, nonce=nonce)

    with pytest.raises(NonceWantedError, match="DPoP-Nonce"):
        read_proof(text, method="POST", url=URL, now=NOW, nonces=nonces(b"k"), needs_nonce=True)


async def test_the_oauth_endpoints_ask_for_a_nonce_and_take_the_one_they_gave(api: Api, north: EnrolledAgent) -> None:
    asked = await api.ask_token(north.key, north.id, proof=north.key.proof("POST", f"{ISSUER}/oauth/token"))
    nonce = asked.headers["dpop-nonce"]

    proof = north.key.proof("POST", f"{ISSUER}/oauth/token", nonce=nonce, iat=int(clock.now()) + HOURS)
    given = await api.ask_token(north.key, north.id, proof=proof)

    assert (asked.status_code, asked.json()["error"]) == (400, "use_dpop_nonce")
    assert given.status_code == 200
    assert given.headers["dpop-nonce"]
    assert await api.audited("token.refused") == [], "being handed a nonce is no refusal"


async def test_registering_without_a_nonce_does_not_burn_the_token(api: Api) -> None:
    await api.make_site("north")
    key, token = AgentKey(), await api.make_enrolment_token("north")

    without = await api.ask_enrolment(key, token, proof=key.proof("POST", f"{ISSUER}/oauth/register", token=token))

    assert (without.status_code, without.json()["error"]) == (400, "use_dpop_nonce")
    assert (await api.ask_enrolment(AgentKey(), token)).status_code == 201


async def test_elsewhere_a_nonce_is_offered_to_who_has_none_and_renewed_when_it_gets_old(
    api: Api, north: EnrolledAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def renew(nonce: str | None) -> str | None:
        proof = north.key.proof("POST", ISSUER + RENEWALS, token=north.token, nonce=nonce)
        answer = await north.call("POST", RENEWALS, json={}, headers={"DPoP": proof})
        assert answer.status_code == 200
        return answer.headers.get("dpop-nonce")

    first = await renew(None)
    meanwhile = await renew(first)
    later = clock.now() + RENEWED_AFTER_S + 5
    monkeypatch.setattr(clock, "now", lambda: later)
    renewed = await renew(first)

    assert first is not None
    assert meanwhile is None
    assert renewed not in (None, first)


async def test_elsewhere_a_nonce_that_is_too_old_is_asked_for_anew(
    north: EnrolledAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = north.key.proof("POST", ISSUER + RENEWALS, token=north.token, nonce=north.api.nonce)
    later = clock.now() + LIFE_S + 1
    monkeypatch.setattr(clock, "now", lambda: later)

    answer = await north.call("POST", RENEWALS, json={}, headers={"DPoP": proof})

    assert (answer.status_code, answer.json()["code"]) == (401, "use_dpop_nonce")
    assert 'error="use_dpop_nonce"' in answer.headers["www-authenticate"]
    assert answer.headers["dpop-nonce"]


async def test_a_proof_with_a_nonce_counts_once_however_long_it_is_kept_back(
    north: EnrolledAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"DPoP": north.key.proof("POST", ISSUER + RENEWALS, token=north.token, nonce=north.api.nonce)}
    await north.call("POST", RENEWALS, json={}, headers=headers)
    later = clock.now() + LIFE_S - 10
    monkeypatch.setattr(clock, "now", lambda: later)

    replay = await north.call("POST", RENEWALS, json={}, headers=headers)

    assert replay.json()["code"] == "dpop_replayed"
