"""What every DAG store promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from leasehold_api.acting import By
from leasehold_api.dags.catalog import NewVersion
from leasehold_api.errors import ConflictError, NotFoundError
from leasehold_protocol.v1.manifest import Manifest
from leasehold_protocol.v1.runs import DeployedDag
from tests.support.databases import open_database
from tests.support.world import NOW, TEAM, World, program

BUNDLE = "ab" * 32


class DagStoreContract:
    """Inherited once per database."""

    kind: str

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        with open_database(self.kind) as (database, _):
            yield await World(database).settle()

    async def deploy(self, world: World, version_id: str, **manifest: Any) -> DeployedDag:
        manifest = {"dag": "report", "tasks": [program("a")], **manifest}
        new = NewVersion(
            team_id=TEAM,
            manifest=Manifest.model_validate(manifest),
            created_by="tester",
            dag_id=f"dag_{version_id}",
            version_id=version_id,
        )
        return await world.dags.deploy(new, now=NOW)

    async def test_every_change_makes_a_version(self, world: World) -> None:
        first = await self.deploy(world, "v1")
        second = await self.deploy(world, "v2", description="changed")

        assert (first.version, second.version) == (1, 2)
        assert (await world.dags.get(TEAM, "report")).description == "changed"

    async def test_an_unchanged_manifest_stays_the_version_it_was(self, world: World) -> None:
        await self.deploy(world, "v1")

        again = await self.deploy(world, "v2")

        assert (again.version, again.unchanged) == (1, True)

    async def test_deploys_that_meet_get_different_versions(self, world: World) -> None:
        deployed = await asyncio.gather(*(self.deploy(world, f"v{n}", description=str(n)) for n in range(8)))

        assert sorted(each.version for each in deployed) == list(range(1, 9))

    async def test_a_bundle_must_be_sent_before_the_manifest_that_names_it(self, world: World) -> None:
        with pytest.raises(ConflictError):
            await self.deploy(world, "v1", bundle=BUNDLE)
        await world.dags.add_bundle(TEAM, BUNDLE, size=1, by=By(actor="tester", at=NOW))

        assert (await self.deploy(world, "v1", bundle=BUNDLE)).version == 1
        assert await world.dags.has_bundle(TEAM, BUNDLE)
        assert not await world.dags.has_bundle("another team", BUNDLE)

    async def test_a_wheel_must_be_sent_before_the_manifest_that_names_it(self, world: World) -> None:
        wheels = [{"name": "colours-1.0-py3-none-any.whl", "sha256": BUNDLE}]
        with pytest.raises(ConflictError, match=r"the wheel colours-1\.0"):
            await self.deploy(world, "v1", wheels=wheels)
        await world.dags.add_bundle(TEAM, BUNDLE, size=1, by=By(actor="tester", at=NOW))

        assert (await self.deploy(world, "v1", wheels=wheels)).version == 1

    async def test_a_run_stays_with_the_version_it_began_with(self, world: World) -> None:
        run = await world.run(program("a"), program("b", "a"))
        await self.deploy(world, "v9", tasks=[program("z")])

        (claimed,) = await world.claim()
        await world.end(claimed)

        assert await world.states(run) == {"a": "success", "b": "queued"}

    async def test_a_dag_that_is_not_there_says_how_to_get_it_there(self, world: World) -> None:
        with pytest.raises(NotFoundError, match="leasehold deploy"):
            await world.dags.get(TEAM, "report")
