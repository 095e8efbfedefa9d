"""Where work goes is decided at the service: by what admins say of a site, at once, and not by what agents say."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from leasehold_api.fleet.matching import mismatch, offers
from leasehold_protocol.v1.manifest import Needs
from tests.api.test_agent_link import take, trigger, until
from tests.api.test_locking import HELLO
from tests.support.api_server import Api, EnrolledAgent, on_both_stores
from tests.support.world import program

SITE = "/v1/teams/default/sites/north"
GPU: dict[str, Any] = {"labels": {"gpu": ">=2"}}


async def waits_in_vain(api: Api, agent: EnrolledAgent) -> asyncio.Task[Any]:
    """Return an agent's request for work that waits."""
    waiting = asyncio.create_task(agent.call("POST", "/v1/agent/leases", json={"free_slots": 1, "wait_s": 50}))
    await until(lambda: len(api.house.parking) == 1)
    return waiting


async def test_labels_that_an_agent_claims_bring_it_no_work(api: Api, north: EnrolledAgent) -> None:
    greeted = await north.call("POST", "/v1/agent/hello", json={**HELLO, "labels": {"gpu": "8"}})
    await trigger(api, program("train", needs=GPU))

    given = await take(north)

    assert given.status_code == 204
    assert "gpu" not in greeted.json()["labels"]


@on_both_stores
async def test_a_label_that_an_admin_sets_wakes_the_agent_that_waits(api: Api, north: EnrolledAgent) -> None:
    await trigger(api, program("train", needs=GPU))
    waiting = await waits_in_vain(api, north)

    await api.as_person("PUT", SITE, json={"labels": {"gpu": "2"}})

    answer = await asyncio.wait_for(waiting, 20)
    assert [lease["task"]["id"] for lease in answer.json()["leases"]] == ["train"]


async def test_a_grant_of_a_connection_wakes_the_agent_that_waits(api: Api, north: EnrolledAgent) -> None:
    await trigger(api, program("read", needs={"connections": ["plant_db"]}))
    waiting = await waits_in_vain(api, north)

    fields = {"conn_type": "sqlite", "host": "x.db", "sites": ["north"]}
    await api.as_person("PUT", "/v1/teams/default/connections/plant_db", json=fields)

    answer = await asyncio.wait_for(waiting, 20)
    assert [lease["task"]["id"] for lease in answer.json()["leases"]] == ["read"]


async def test_a_higher_ceiling_wakes_the_agent_that_waits(api: Api, north: EnrolledAgent) -> None:
    await api.as_person("PUT", "/v1/teams/default/limits", json={"max_running": 0})
    await trigger(api, program("a"))
    waiting = await waits_in_vain(api, north)

    await api.as_person("PUT", "/v1/teams/default/limits", json={"max_running": 1})

    answer = await asyncio.wait_for(waiting, 20)
    assert len(answer.json()["leases"]) == 1


async def test_a_site_is_reserved_by_a_label_that_it_has(api: Api, north: EnrolledAgent) -> None:
    del north
    refused = await api.as_person("PUT", SITE, json={"reserved": "gpu"})
    made = await api.as_person("PUT", SITE, json={"labels": {"gpu": "2"}, "reserved": "gpu", "weight": 0})

    assert refused.status_code == 422
    assert "set the label too" in refused.text
    assert (made.json()["reserved"], made.json()["weight"]) == ("gpu", 0)


@pytest.mark.parametrize(
    ("labels", "fits"),
    [({}, False), ({"gpu": "!=7"}, False), ({"os": "linux"}, False), ({"gpu": "2"}, True), ({"gpu": ">=1"}, True)],
)
def test_a_reserved_site_takes_who_asks_for_its_label(labels: dict[str, str], fits: bool) -> None:
    offer = offers({"gpu": "2", "os": "linux"}, ["plant_db"], reserved="gpu")

    problem = mismatch(Needs(labels=labels), offer)

    assert (problem is None) is fits
    assert fits or problem == "it is reserved for tasks that need its label gpu"


def test_true_and_numbers_are_what_an_author_means_by_them() -> None:
    assert mismatch(Needs(labels={"gpu": "true"}), offers({"gpu": "true"}, [])) is None
    assert mismatch(Needs(labels={"memory": ">8GiB"}), offers({"memory": "16GB"}, [])) is None
    assert mismatch(Needs(labels={"cuda": ">=12.4"}), offers({"cuda": "12.10"}, [])) is None
