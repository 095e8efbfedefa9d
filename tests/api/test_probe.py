"""``/healthz/way``: for this service's own doctor, and for nobody else."""

from __future__ import annotations

import json

import pytest

from leasehold_api import clock
from leasehold_api.http.probe import HEADER, PATH
from leasehold_api.oauth.possession.nonces import LIFE_S, Nonces
from tests.support.api_server import Api


async def test_the_doctor_gets_two_lines_with_its_address_as_it_is_seen(api: Api) -> None:
    probe = api.house.probes.fresh(now=clock.now())

    answer = await api.client.get(PATH, params={"quiet_s": 0.01}, headers={HEADER: probe})

    first, last = (json.loads(line) for line in answer.text.splitlines())
    assert answer.status_code == 200
    assert answer.headers["x-accel-buffering"] == "no"
    assert first["kind"] == "opened"
    assert first["wait_s"] == api.house.settings.poll_wait_s
    assert first["client"]
    assert last == {"kind": "end"}


@pytest.mark.parametrize("which", ["none", "made up", "of a nonce", "of another service", "too old"])
async def test_nobody_else_gets_any(api: Api, which: str) -> None:
    now = clock.now()
    other = Nonces(lambda: (b"another service's key, of 32 byte",))
    probes = {
        "none": "",
        "made up": "A" * 32,
        "of a nonce": api.house.nonces.fresh(now=now),
        "of another service": other.fresh(now=now),
        "too old": api.house.probes.fresh(now=now - LIFE_S - 1),
    }

    answer = await api.client.get(PATH, headers={HEADER: probes[which]})

    assert answer.status_code == 403
    assert answer.json()["code"] == "forbidden"


@pytest.mark.parametrize("quiet_s", ["-1", "61", "long"])
async def test_a_pause_that_can_not_be_is_refused(api: Api, quiet_s: str) -> None:
    probe = api.house.probes.fresh(now=clock.now())

    answer = await api.client.get(PATH, params={"quiet_s": quiet_s}, headers={HEADER: probe})

    assert answer.status_code == 422
