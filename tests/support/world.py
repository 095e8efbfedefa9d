"""A small world in a database: a team, two sites with an agent each, DAGs to run."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from leasehold_api.acting import By, Team
from leasehold_api.callers import AgentCaller
from leasehold_api.dags.catalog import NewVersion
from leasehold_api.leases.claimed import Claimed
from leasehold_api.runs.catalog import NewRun
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_attempts import SqlAttempts
from leasehold_api.storage.sql_backfills import SqlBackfills
from leasehold_api.storage.sql_dags import SqlDags
from leasehold_api.storage.sql_leases import SqlLeases
from leasehold_api.storage.sql_pools import SqlPools
from leasehold_api.storage.sql_runs import SqlRuns
from leasehold_api.storage.sql_schedules import SqlSchedules
from leasehold_api.storage.tables import agents, sites, teams
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.leases import Ending, EndingKind, Outcome, SmallXCom
from leasehold_protocol.v1.limits import PoolWrite
from leasehold_protocol.v1.manifest import RESULT_KEY, Manifest
from leasehold_protocol.v1.runs import RunDetail, TaskInstance

TEAM = "team_1"
NOW = 1_800_000_000.0


def program(name: str, *upstream: str, **settings: Any) -> dict[str, Any]:
    """Return the manifest entry of a task that runs a program and reads its upstreams' results."""
    argv = [{"kind": "literal", "value": "true"}, *({"kind": "result", "task": task} for task in upstream)]
    return {"id": name, "work": {"kind": "program", "argv": argv}, "upstream": list(upstream), **settings}


def holder(name: str, site: str) -> AgentCaller:
    """Return the agent ``name`` of ``site`` as the lease store sees it."""
    return AgentCaller(
        agent_id=f"agent_{name}",
        agent_name=name,
        site_id=f"site_{site}",
        site=site,
        team_id=TEAM,
        team="default",
        jkt=f"jkt-{name}",
    )


NORTH = holder("north-1", "north")
SOUTH = holder("south-1", "south")


@dataclass
class World:
    """The stores, and short ways to do what agents and authors do."""

    database: Database
    now: float = NOW
    _ids: Any = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        """Open the stores."""
        plans = Plans()
        self.dags = SqlDags(self.database)
        self.runs = SqlRuns(self.database, plans)
        self.leases = SqlLeases(self.database, plans)
        self.attempts = SqlAttempts(self.database, plans)
        self.pools = SqlPools(self.database)
        self.schedules = SqlSchedules(self.database, plans)
        self.backfills = SqlBackfills(self.database, plans)

    async def settle(self) -> World:
        """Make the team, the sites and their agents."""

        def write(tx: Transaction) -> None:
            tx.run(teams.insert().values(id=TEAM, name="default", created_at=self.now))
            for one in (NORTH, SOUTH):
                tx.run(
                    sites.insert().values(
                        id=one.site_id,
                        team_id=TEAM,
                        name=one.site,
                        labels=json.dumps({"zone": one.site}),
                        max_slots=64,
                        description="",
                        created_at=self.now,
                    )
                )
                tx.run(
                    agents.insert().values(
                        id=one.agent_id,
                        team_id=TEAM,
                        site_id=one.site_id,
                        name=one.agent_name,
                        jkt=one.jkt,
                        public_jwk="{}",
                        enrolled_at=self.now,
                    )
                )

        await self.database.write(write)
        return self

    async def run(self, *entries: dict[str, Any], dag: str = "report", most_queued: int = 1000, **settings: Any) -> str:
        """Deploy a DAG of these tasks and make a run of it; return the run's id."""
        await self.deploy(*entries, dag=dag, **settings)
        return await self.trigger(dag, most_queued=most_queued)

    async def deploy(self, *entries: dict[str, Any], dag: str = "report", **manifest: Any) -> None:
        """Deploy a DAG of these tasks."""
        number = next(self._ids)
        said = Manifest.model_validate({"dag": dag, "tasks": list(entries), **manifest})
        version = NewVersion(
            team_id=TEAM, manifest=said, created_by="tester", dag_id=f"dag_{dag}", version_id=f"ver_{number}"
        )
        await self.dags.deploy(version, now=self.now)

    async def trigger(self, dag: str = "report", *, most_queued: int = 1000) -> str:
        """Make a run of the DAG's newest version; return its id."""
        number = next(self._ids)
        new = NewRun(
            id=f"run_{number:06}",
            team_id=TEAM,
            dag=dag,
            params={},
            logical_date=self.now,
            trigger="manual",
            created_by="tester",
        )
        return await self.runs.create(new, most_queued=most_queued, now=self.now)

    async def pool(self, name: str, slots: int) -> None:
        """Set a pool."""
        by = By(actor="tester", at=self.now)
        await self.pools.put(Team(id=TEAM, name="default"), name, PoolWrite(slots=slots), by=by)

    async def claim(self, one: AgentCaller = NORTH, most: int = 1) -> list[Claimed]:
        """Take leases."""
        return await self.leases.claim(one, most=most, now=self.now)

    async def end(
        self,
        claimed: Claimed,
        kind: EndingKind = EndingKind.SUCCESS,
        *,
        by: AgentCaller = NORTH,
        result: Any = None,
        **more: Any,
    ) -> str:
        """Deliver an outcome; return the verdict on it."""
        (ack,) = await self.leases.complete(by, [outcome(claimed, kind, self.now, result, **more)], now=self.now)
        return ack.verdict.value

    async def look(self, run: str) -> RunDetail:
        """Return the run as people see it."""
        return await self.runs.get(TEAM, run)

    async def task(self, run: str, name: str) -> TaskInstance:
        """Return one task instance of the run."""
        return next(task for task in (await self.look(run)).tasks if task.task == name)

    async def states(self, run: str) -> dict[str, str]:
        """Return task → state."""
        return {task.task: task.state.value for task in (await self.look(run)).tasks}


def outcome(claimed: Claimed, kind: EndingKind, now: float, result: Any = None, **more: Any) -> Outcome:
    """Return the outcome of an attempt."""
    return Outcome(
        attempt=claimed.attempt,
        ending=Ending.model_validate({"kind": kind, "ended_at": now, **more}),
        xcoms=[SmallXCom(key=RESULT_KEY, value=result)] if kind is EndingKind.SUCCESS else [],
    )
