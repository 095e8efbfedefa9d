"""What every store promises about what machines can run: work goes where an agent has what it needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from leasehold_api.acting import Team
from leasehold_api.callers import AgentCaller
from leasehold_api.fleet.served_packs import ServedPack
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_presence import SqlPresence
from leasehold_api.storage.sql_why import SqlWhy
from leasehold_api.storage.tables import agents
from leasehold_protocol.v1.agents import Hello
from leasehold_protocol.v1.leases import EndingKind
from tests.support.databases import open_database
from tests.support.world import NORTH, NOW, SOUTH, TEAM, World, holder, program

OTHER = holder("north-2", "north")
IMAGE = "registry.example.com/tools/ffmpeg:7"
HOST = {"hostname": "plant", "os": "linux", "arch": "x86_64", "cpus": 4, "python": "3.11.2"}
LARGE = "x" * 2_000_000


def container(name: str, *upstream: str) -> dict[str, Any]:
    work = {"kind": "container", "image": IMAGE, "argv": [{"kind": "result", "task": task} for task in upstream]}
    return {"id": name, "work": work, "upstream": list(upstream), "needs": {"runtime": "container"}}


def function(name: str) -> dict[str, Any]:
    return {"id": name, "work": {"kind": "python", "module": "dag", "function": name}}


class MachinesContract:
    """Inherited once per database."""

    kind: str

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        with open_database(self.kind) as (database, _):
            world = await World(database).settle()
            self.presence = SqlPresence(database)
            await second_agent(database, world.now)
            yield world

    async def hello(
        self, who: AgentCaller, *runtimes: str, pythons: Sequence[str] | None = ("3.11.2",), at: float = NOW
    ) -> None:
        said = {
            "agent_version": "1", "protocol_min": 1, "protocol_max": 1, "slots": 4, "host": HOST, "attempts": [],
            "runtimes": ["python", "program", *runtimes], "pythons": pythons,
        }  # fmt: skip
        await self.presence.hello(who.agent_id, Hello.model_validate(said), now=at)
        self.presence.forget(who.site_id)

    async def summary(self, world: World, run: str, task: str, *packs: ServedPack) -> str:
        store = SqlWhy(world.database, Plans(), disconnected_after_s=60.0, packs=lambda: packs)
        (answer,) = await store.of_task(Team(id=TEAM, name="default"), run, task, None, now=world.now)
        return answer.summary

    async def test_a_container_waits_for_a_site_that_runs_them(self, world: World) -> None:
        await self.hello(NORTH)
        run = await world.run(container("cut"))
        assert await world.claim(NORTH) == []
        assert "none of its agents found a podman or docker" in await self.summary(world, run, "cut")

        await self.hello(SOUTH, "container")

        assert [one.entry.id for one in await world.claim(SOUTH)] == ["cut"]

    async def test_of_one_site_only_the_agent_with_an_engine_gets_it(self, world: World) -> None:
        await self.hello(NORTH)
        await self.hello(OTHER, "container")
        await world.run(container("cut"), program("count"))
        mine, others = [await self.presence.placements_of("site_north", one.agent_id) for one in (NORTH, OTHER)]

        assert [one.entry.id for one in await world.claim(NORTH, most=4)] == ["count"]
        assert [one.entry.id for one in await world.claim(OTHER, most=4)] == ["cut"]
        assert len(others - mine) == 1
        assert mine < others

    async def test_who_can_not_run_it_is_not_expected_to_take_it(self, world: World) -> None:
        await self.hello(OTHER, "container")
        world.now += 3600
        await self.hello(NORTH, at=world.now)
        await self.hello(SOUTH)
        run = await world.run(container("cut"))

        assert "site north is offline since" in await self.summary(world, run, "cut")

    async def test_an_engine_that_is_gone_brings_no_more_containers(self, world: World) -> None:
        await self.hello(NORTH, "container")
        await world.run(container("cut"))
        await self.hello(NORTH)

        assert await world.claim(NORTH) == []

        await self.hello(NORTH, "container")

        assert len(await world.claim(NORTH)) == 1

    async def test_a_large_result_nearby_changes_nothing_about_who_can(self, world: World) -> None:
        for one in (NORTH, OTHER, SOUTH):
            await self.hello(one, *([] if one is NORTH else ["container"]))
        await world.run(program("read"), container("cut", "read"))
        (read,) = await world.claim(NORTH)
        await world.end(read, EndingKind.SUCCESS, result=LARGE)

        assert await world.claim(NORTH) == []
        assert [one.entry.id for one in await world.claim(OTHER)] == ["cut"]

    async def test_functions_go_where_their_python_is(self, world: World) -> None:
        for one in (NORTH, OTHER, SOUTH):
            await self.hello(one, pythons=["3.11.2"])
        run = await world.run(function("load"), program("count"), requires_python=">=3.12")
        summary = await self.summary(world, run, "load")

        assert [one.entry.id for one in await world.claim(NORTH, most=4)] == ["count"]
        assert "Python >=3.12" in summary
        assert "north: it has Python 3.11.2, and the task needs >=3.12" in summary

        await self.hello(OTHER, pythons=["3.11.2", "3.12.4"])

        assert await world.claim(NORTH, most=4) == []
        assert [one.entry.id for one in await world.claim(OTHER, most=4)] == ["load"]

    async def test_a_pack_with_that_python_is_said_to_be_the_cure(self, world: World) -> None:
        for one in (NORTH, OTHER, SOUTH):
            await self.hello(one, pythons=["3.11.2"])
        packs = [ServedPack("python3.11", "3.11.7"), ServedPack("python3.12", "3.12.4"), ServedPack("uv", "0.13.9")]
        run = await world.run(function("load"), requires_python=">=3.12")
        far = await world.run(function("load"), requires_python=">=3.13")

        assert (await self.summary(world, run, "load", *packs)).endswith(
            "; an agent can get it: edge-agent packs add python3.12"
        )
        assert "packs add" not in await self.summary(world, far, "load", *packs)
        assert "packs add" not in await self.summary(world, run, "load")

    async def test_a_pack_is_no_cure_where_something_else_is_missing(self, world: World) -> None:
        for one in (NORTH, OTHER, SOUTH):
            await self.hello(one, pythons=["3.11.2"])
        needs = {"labels": {"gpu": ">=1"}}
        run = await world.run(function("load") | {"needs": needs}, requires_python=">=3.12")

        assert "packs add" not in await self.summary(world, run, "load", ServedPack("python3.12", "3.12.4"))

    async def test_an_agent_too_old_to_say_gets_it_and_says_itself_what_it_lacks(self, world: World) -> None:
        await self.hello(NORTH, pythons=None)
        await world.run(function("load"), requires_python=">=3.12")

        assert len(await world.claim(NORTH)) == 1


async def second_agent(database: Database, now: float) -> None:
    """Give the north another machine."""
    row = {"id": OTHER.agent_id, "team_id": TEAM, "site_id": OTHER.site_id, "name": OTHER.agent_name}
    values = {**row, "jkt": OTHER.jkt, "public_jwk": "{}", "enrolled_at": now}
    await database.write(lambda tx: tx.run(agents.insert().values(**values)).close())
