"""What counts once counts once in all: two API processes on one PostgreSQL are asked at the same moment."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from leasehold_api.app import make_app
from leasehold_api.building import open_house
from leasehold_api.config import Settings
from leasehold_api.storage import tables
from tests.support.api_server import ISSUER, Api, open_api
from tests.support.databases import fresh_postgresql
from tests.support.signed_in_people import DEVICE, make_person, post_token, redeem, refresh

ROUNDS = 5
VERIFIER = "v" * 43


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Api, Api]]:
    """Two APIs, each with an app, connections and a writer of its own, on one database and one state directory."""
    with fresh_postgresql() as url:
        async with open_api(tmp_path / "state", database_url=url) as first:
            settings = Settings(state_dir=tmp_path / "state", database_url=url, public_url=ISSUER)
            async with open_house(settings) as house:
                app = make_app(house)
                transport = httpx.ASGITransport(app, raise_app_exceptions=False)
                async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
                    yield first, dataclasses.replace(first, app=app, house=house, client=client)


async def approved(api: Api) -> str:
    """Return the code of a device that a person has let in."""
    asked = await api.client.post("/oauth/device_authorization", data={"client_id": "leasehold-cli"})
    assert asked.status_code == 200, asked.text
    person = await make_person(api, f"operator-{asked.json()['user_code'].lower()}")
    assert (await person.decide(asked.json()["user_code"])).status_code == 200
    return str(asked.json()["device_code"])


async def test_a_device_code_counts_once_in_two_processes(pair: tuple[Api, Api]) -> None:
    for _ in range(ROUNDS):
        form = {"grant_type": DEVICE, "client_id": "leasehold-cli", "device_code": await approved(pair[0])}

        answers = await asyncio.gather(*(post_token(api, form) for api in pair * 3))

        assert statuses(answers) == [200, 400, 400, 400, 400, 400]


async def test_an_authorization_code_counts_once_in_two_processes(pair: tuple[Api, Api]) -> None:
    for number in range(ROUNDS):
        code = await (await make_person(pair[0], f"operator-{number}")).code(VERIFIER)

        answers = await asyncio.gather(*(redeem(api, code, VERIFIER) for api in pair * 3))

        assert statuses(answers) == [200, 400, 400, 400, 400, 400]


async def test_a_device_is_decided_about_once_in_two_processes(pair: tuple[Api, Api]) -> None:
    for number in range(ROUNDS):
        asked = await pair[0].client.post("/oauth/device_authorization", data={"client_id": "leasehold-cli"})
        one, other = [await make_person(api, f"operator-{number}-{api is pair[0]}".lower()) for api in pair]
        user_code = asked.json()["user_code"]

        await asyncio.gather(one.decide(user_code, "allow"), other.decide(user_code, "deny"))

        decided = [*await pair[0].audited("device.approved"), *await pair[0].audited("device.denied")]
        assert len(decided) == number + 1


async def test_of_what_a_refresh_token_gave_in_two_processes_one_token_is_good(pair: tuple[Api, Api]) -> None:
    for number in range(ROUNDS):
        first = await (await make_person(pair[0], f"operator-{number}")).sign_in()

        await asyncio.gather(*(refresh(api, first["refresh_token"]) for api in pair * 3))

        assert await unused_refresh_tokens(pair[0]) <= number + 1


async def unused_refresh_tokens(api: Api) -> int:
    """Return how many refresh tokens would still be taken."""
    unused = select(func.count()).where(tables.oauth_refresh_tokens.c.used_at.is_(None))
    return await api.read(lambda connection: int(connection.execute(unused).scalar_one()))


def statuses(answers: list[Any]) -> list[int]:
    """Return the answers' statuses in order."""
    return sorted(answer.status_code for answer in answers)
