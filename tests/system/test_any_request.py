"""Whatever the OpenAPI document allows, and what it does not, by whoever calls: never a bug, only documented answers.

Requests come from schemathesis, the same ones each time; each is sent by every kind of caller.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.agent_key import AgentKey
from tests.support.world import program
from tests.system.place import Place

DOCUMENT = Path(__file__).parents[2] / "docs/reference/openapi.json"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

schema = schemathesis.openapi.from_path(str(DOCUMENT))
# Its thousands of boundary cases would take minutes; the random ones below are bounded.
schema.config.phases.coverage.enabled = False


@schemathesis.serializer("application/zip")
def as_it_is(_context: Any, value: Any) -> dict[str, Any]:
    """Send a bundle's bytes."""
    return {"data": value if isinstance(value, bytes) else str(value).encode()}


Headers = Callable[[str, str], dict[str, str]]
"""What a caller shows for (method, URL)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Everybody:
    """The address, who calls, and names of things that are there."""

    url: str
    callers: dict[str, Headers]
    names: dict[str, str]


@pytest.fixture(scope="module")
def everybody(empty_place: Place) -> Everybody:
    """An API with one caller of each kind: the agent holds a lease."""
    # The longest wait for work is short: nobody makes any here.
    empty_place.serve(more={"LEASEHOLD_API_POLL_WAIT_S": "0.1"})
    empty_place.make_site("north")
    client, url, key = empty_place.client, empty_place.url, AgentKey()
    enrolment = (empty_place.home / empty_place.issue_token("north")).read_text().strip()
    nonce = client.post("/oauth/token", headers={"DPoP": key.proof("POST", f"{url}/oauth/token")}).headers["DPoP-Nonce"]
    proof = key.proof("POST", f"{url}/oauth/register", token=enrolment, nonce=nonce)
    registered = client.post(
        "/oauth/register",
        headers={"Authorization": f"Bearer {enrolment}", "DPoP": proof},
        json={"client_name": "north-1", "jwks": {"keys": [key.public_jwk]}},
    ).json()
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": JWT_BEARER,
        "client_assertion": key.assertion(registered["client_id"], url),
    }
    signed_in = client.post(
        "/oauth/token", headers={"DPoP": key.proof("POST", f"{url}/oauth/token", nonce=nonce)}, data=form
    )
    agent = _bound(key, signed_in.json()["access_token"])
    manifest = {"dag": "report", "tasks": [program("a")]}
    assert client.post("/v1/teams/default/dags", json={"manifest": manifest}).status_code == 201
    run = client.post("/v1/teams/default/dags/report/runs", json={}).json()["run"]
    path = "/v1/agent/leases"
    taken = httpx.post(url + path, headers=agent("POST", url + path), json={"free_slots": 1}, trust_env=False).json()
    (lease,) = taken["leases"]
    viewer = client.post("/v1/teams/default/api-tokens", json={"name": "v", "role": "viewer"}).json()["token"]
    return Everybody(
        url=url,
        callers={
            "nobody": lambda _method, _url: {},
            "platform admin": _bearer(client.headers["Authorization"]),
            "viewer": _bearer(f"Bearer {viewer}"),
            "agent": agent,
            "task": _bound(key, lease["task_token"]),
            "thief": lambda _method, _url: {"Authorization": f"DPoP {secrets.token_urlsafe()}", "DPoP": "x.y.z"},
        },
        names={"team": "default", "site": "north", "dag": "report", "run": run, "attempt": lease["attempt"]},
    )


def _bearer(header: str) -> Headers:
    return lambda _method, _url: {"Authorization": header}


def _bound(key: AgentKey, token: str) -> Headers:
    return lambda method, url: {"Authorization": f"DPoP {token}", "DPoP": key.proof(method, url, token=token)}


@schema.parametrize()
@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_is_a_bug_and_every_answer_is_documented(case: Any, everybody: Everybody) -> None:
    there = {name: value for name, value in everybody.names.items() if name in case.path_parameters}
    case.path_parameters.update(there)
    if "wait_s" in case.query:
        case.query["wait_s"] = 0  # nothing happens here that a request could wait for
    for headers in everybody.callers.values():
        url = urlsplit(case.as_transport_kwargs(base_url=everybody.url)["url"])
        address = f"{everybody.url}{url.path}"
        answer = case.call(base_url=everybody.url, headers=headers(case.method, address), timeout=20)
        case.validate_response(answer, checks=CHECKS)
