"""Signed DAGs at the API: what does not fit is refused at once, what fits is shown and goes with every lease."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from leasehold_api.dags.catalog import NewVersion
from leasehold_api.storage import tables
from leasehold_protocol.signed.envelope import opened
from leasehold_protocol.signed.statement import misfits
from leasehold_protocol.v1.manifest import Manifest
from leasehold_protocol.v1.runs import DagDetail, DagList
from tests.support.api_server import Api, on_both_stores
from tests.support.databases import open_database
from tests.support.signing import BUILD, PLANT, SIGNED_AT
from tests.support.world import NOW, TEAM, World, program

DAGS = "/v1/teams/default/dags"
MANIFEST = Manifest.model_validate({"dag": "report", "tasks": [program("read"), program("store", "read")]})


async def deploy(api: Api, signature: str | None, manifest: Manifest = MANIFEST) -> Any:
    body = {"manifest": manifest.model_dump(mode="json"), "signature": signature}
    return await api.as_person("POST", DAGS, json=body)


@on_both_stores
async def test_a_signature_that_fits_is_kept_and_shown_with_its_key(api: Api) -> None:
    end = SIGNED_AT + timedelta(days=90)

    answer = await deploy(api, BUILD.sign(MANIFEST, not_after=end))

    assert answer.status_code == 201
    detail = DagDetail.model_validate_json((await api.as_person("GET", f"{DAGS}/report")).content)
    assert detail.signed is not None
    assert (detail.signed.key, detail.signed.signed_at, detail.signed.not_after) == (BUILD.line, SIGNED_AT, end)
    listed = DagList.model_validate_json((await api.as_person("GET", DAGS)).content)
    assert [one.signed for one in listed.items] == [detail.signed]
    await api.house.trail.seal()
    rows = (await api.as_person("GET", "/v1/teams/default/audit", params={"action": "dag.deployed"})).json()["items"]
    assert rows[0]["detail"]["signed_by"] == BUILD.line


@on_both_stores
async def test_the_versions_of_a_dag_are_listed_in_parts_with_their_signatures(api: Api) -> None:
    for signature in (None, BUILD.sign(MANIFEST), PLANT.sign(MANIFEST)):
        await deploy(api, signature)

    first = (await api.as_person("GET", f"{DAGS}/report/versions", params={"limit": 2})).json()
    rest = (await api.as_person("GET", f"{DAGS}/report/versions", params={"after": first["next"]})).json()

    shown = [(one["version"], (one["signed"] or {}).get("key")) for one in first["items"] + rest["items"]]
    assert shown == [(3, PLANT.line), (2, BUILD.line), (1, None)]
    assert rest["next"] is None


async def test_another_team_sees_no_versions_not_even_that_there_are_some(api: Api) -> None:
    await deploy(api, BUILD.sign(MANIFEST))
    await api.make_team("other")
    stranger = await api.make_api_token("admin", team="other")

    ours = await api.as_person("GET", f"{DAGS}/report/versions", token=stranger)
    theirs = await api.as_person("GET", "/v1/teams/other/dags/report/versions", token=stranger)

    assert (ours.status_code, theirs.status_code) == (404, 404)
    assert "deploy it first" in theirs.text


async def test_what_is_not_signed_says_so(api: Api) -> None:
    assert (await deploy(api, None)).status_code == 201

    assert (await api.as_person("GET", f"{DAGS}/report")).json()["signed"] is None


OTHER = MANIFEST.model_copy(update={"tasks": MANIFEST.tasks[:1]})


@pytest.mark.parametrize(
    ("signature", "part"),
    [
        ("garbage", "not a JWS"),
        (PLANT.sign(MANIFEST, named=BUILD.line), "did not make it"),
        (BUILD.sign(OTHER), "another manifest"),
        (BUILD.sign(MANIFEST, team="plant"), "another team"),
        ("x" * 5000, "at most 4096"),
        ("", "at least 1"),
    ],
)
async def test_a_signature_that_does_not_fit_is_refused_and_nothing_is_deployed(
    api: Api, signature: str, part: str
) -> None:
    answer = await deploy(api, signature)

    assert answer.status_code == 422
    assert part in answer.text
    assert (await api.as_person("GET", f"{DAGS}/report")).status_code == 404


@on_both_stores
async def test_signing_again_makes_a_version_and_sending_the_same_again_does_not(api: Api) -> None:
    first, second = BUILD.sign(MANIFEST), BUILD.sign(MANIFEST, signed_at=SIGNED_AT + timedelta(days=1))

    answers = [(await deploy(api, signature)).json() for signature in (None, first, first, second, None)]

    assert [(one["version"], one["unchanged"]) for one in answers] == [
        (1, False), (2, False), (2, True), (3, False), (3, True),
    ]  # fmt: skip


async def test_a_signature_that_was_damaged_in_the_database_hides_no_dag(api: Api) -> None:
    await deploy(api, BUILD.sign(MANIFEST))
    await api.database.write(lambda tx: tx.run(update(tables.dag_versions).values(signature="damaged")))

    assert (await api.as_person("GET", DAGS)).json()["items"][0]["signed"] is None


@pytest.fixture(params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    with open_database(request.param) as (database, _):
        yield await World(database).settle()


async def test_every_lease_brings_the_proof_of_its_own_task(world: World) -> None:
    manifest = Manifest.model_validate({"dag": "report", "tasks": [program(name) for name in ("a", "b", "c")]})
    signature = BUILD.sign(manifest)
    new = NewVersion(
        team_id=TEAM, manifest=manifest, signature=signature, created_by="tester", dag_id="dag_report", version_id="v1"
    )
    await world.dags.deploy(new, now=NOW)
    await world.run(program("a"), program("b"), program("c"))  # the same manifest: the version stays the signed one

    claimed = await world.claim(most=4)

    said = opened(signature).statement
    assert {one.entry.id for one in claimed} >= {"a", "b"}
    for one in claimed:
        assert one.signed is not None
        assert misfits(said, one.signed, one.entry, team="default", dag="report", bundle=None) == []
    versions = await world.database.read(lambda c: c.execute(select(tables.dag_versions.c.signature)).scalars().all())
    assert versions == [signature]


async def test_without_a_signature_a_lease_brings_no_proof(world: World) -> None:
    await world.run(program("a"))

    (claimed,) = await world.claim()

    assert claimed.signed is None
