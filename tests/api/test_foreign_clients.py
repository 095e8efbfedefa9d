"""Clients that are not ours sign in as the standards say: openid-client (npm) and requests-oauthlib (PyPI)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from joserfc.jwk import ECKey
from oauthlib.oauth2 import BackendApplicationClient, DeviceClient, WebApplicationClient
from requests_oauthlib import OAuth2Session

from tests.support.api_server import Api
from tests.support.npm import installed
from tests.support.served_api import serve_api
from tests.support.signed_in_people import REDIRECT, Person, fields_of, make_person

CLIENTS = Path(__file__).parent.parent / "support" / "oauth_clients"
ENDS_S = 90
T = TypeVar("T")


@pytest.fixture
async def served(fresh_state: Path, tmp_path: Path) -> AsyncIterator[tuple[Api, str]]:
    """The API on a socket."""
    async with serve_api(shutil.copytree(fresh_state, tmp_path / "state")) as running:
        yield running


async def make_service_client(api: Api, **write: Any) -> dict[str, Any]:
    """Make a service client."""
    body = {"name": "reports", "role": "viewer", **write}
    answer = await api.as_person("POST", "/v1/teams/default/service-clients", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.mark.timeout(200)
async def test_openid_client_signs_in_in_every_way(served: tuple[Api, str]) -> None:
    place = await asyncio.to_thread(installed, CLIENTS)
    api, address = served
    person, key = await make_person(api), ECKey.generate_key("P-256")
    service = await make_service_client(api, public_key=key.as_dict(private=False))
    given = {
        "issuer": address,
        "cookie": f"leasehold={person.cookie}",
        "service": service["id"],
        "privateKey": key.as_dict(private=True),
    }

    process = await asyncio.create_subprocess_exec(
        "node",
        "run.mjs",
        cwd=place,
        env={**os.environ, "OAUTH_TEST": json.dumps(given), "NODE_NO_WARNINGS": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), ENDS_S)

    assert process.returncode == 0, err.decode()
    found = json.loads(out)
    assert found["issuer"] == address
    assert found["code"]["type"] == "dpop"
    assert found["code"]["scope"] == "viewer author operator"
    assert found["code"]["whoami"]["name"] == person.name
    assert found["refreshed"] is True
    assert found["afterRevocation"] == "invalid_grant"
    assert found["device"]["type"] == "bearer"
    assert found["device"]["whoami"]["roles"] == {"default": "viewer"}
    assert found["program"]["whoami"]["kind"] == "service_client"
    assert found["introspection"]["username"] == person.name
    assert found["introspectionOfNonsense"] == {"active": False}


async def in_thread(work: Callable[[], T]) -> T:
    """Run a client that blocks, beside the server."""
    return await asyncio.wait_for(asyncio.to_thread(work), ENDS_S)


def browse(person: Person, address: str, page: str) -> requests.Response:
    """Open a page as the person, and say yes."""
    cookies = {"leasehold": person.cookie}
    asked = requests.get(page, cookies=cookies, timeout=20, allow_redirects=False)
    assert asked.status_code == 200, asked.text
    form = fields_of(asked) | {"answer": "allow"}  # type: ignore[arg-type]  # both have .text
    headers = {"Sec-Fetch-Site": "same-origin"}
    path = page.removeprefix(address).partition("?")[0]
    return requests.post(address + path, data=form, cookies=cookies, headers=headers, timeout=20, allow_redirects=False)


@pytest.fixture
def over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """oauthlib asks for https, also on loopback."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


@pytest.mark.usefixtures("over_http")
async def test_requests_oauthlib_signs_a_person_in(served: tuple[Api, str]) -> None:
    api, address = served
    person = await make_person(api)

    def sign_in() -> dict[str, Any]:
        client = WebApplicationClient("leasehold-cli")
        session = OAuth2Session(client=client, redirect_uri=REDIRECT, scope=["viewer", "author"], pkce="S256")
        page, _state = session.authorization_url(f"{address}/oauth/authorize")
        sent = browse(person, address, page)
        session.fetch_token(
            f"{address}/oauth/token", authorization_response=sent.headers["location"], include_client_id=True
        )
        before = session.get(f"{address}/v1/whoami").json()
        session.refresh_token(f"{address}/oauth/token", client_id="leasehold-cli")
        return {"before": before, "after": session.get(f"{address}/v1/whoami").json()}

    me = await in_thread(sign_in)

    assert me["before"]["name"] == me["after"]["name"] == person.name


@pytest.mark.usefixtures("over_http")
async def test_requests_oauthlib_signs_a_program_in(served: tuple[Api, str]) -> None:
    api, address = served
    service = await make_service_client(api)

    def sign_in() -> dict[str, Any]:
        session = OAuth2Session(client=BackendApplicationClient(service["id"]))
        session.fetch_token(f"{address}/oauth/token", client_id=service["id"], client_secret=service["secret"])
        found: dict[str, Any] = session.get(f"{address}/v1/whoami").json()
        return found

    me = await in_thread(sign_in)

    assert (me["name"], me["kind"], me["roles"]) == ("reports", "service_client", {"default": "viewer"})


@pytest.mark.usefixtures("over_http")
async def test_oauthlib_signs_a_device_in(served: tuple[Api, str]) -> None:
    api, address = served
    person = await make_person(api)

    def sign_in() -> dict[str, Any]:
        client = DeviceClient("leasehold-cli")
        form = {"client_id": client.client_id}
        asked = requests.post(f"{address}/oauth/device_authorization", data=form, timeout=20).json()
        browse(person, address, asked["verification_uri_complete"])
        body = client.prepare_request_body(device_code=asked["device_code"], include_client_id=True)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = requests.post(f"{address}/oauth/token", data=body, headers=headers, timeout=20)
        client.parse_request_body_response(answer.text)
        session = OAuth2Session(client=client, token=client.token)
        found: dict[str, Any] = session.get(f"{address}/v1/whoami").json()
        return found

    assert (await in_thread(sign_in))["name"] == person.name
