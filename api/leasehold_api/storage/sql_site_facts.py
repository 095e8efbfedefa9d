"""A team's sites and agents as one run's queued task instances meet them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from leasehold_api.acting import Team
from leasehold_api.fleet.machines import Wanted
from leasehold_api.fleet.matching import mismatch, needs_a_python
from leasehold_api.fleet.orders import most_slots
from leasehold_api.runs.why import AgentFacts, SiteFacts
from leasehold_api.storage.sql_fleet import offers_in
from leasehold_api.storage.sql_orders import orders_at
from leasehold_protocol.v1.agents import PolicyFacts
from leasehold_protocol.v1.health import AgentHealth
from leasehold_protocol.v1.orders import Order

MOST_NAMED = 500
"""Running task instances that are named as those who take the slots."""

_SITES = text("SELECT * FROM sites WHERE team_id = :team ORDER BY name")
_AGENTS = text("SELECT * FROM agents WHERE team_id = :team ORDER BY id")
_NEEDS = text(
    "SELECT id, needs FROM placements WHERE id IN (SELECT placement_id FROM task_instances WHERE run_id = :run)"
)
_RUNNING = text("""
    SELECT t.agent_id, count(*) AS many FROM task_instances t JOIN agents a ON a.id = t.agent_id
     WHERE a.team_id = :team AND t.state = 'running' GROUP BY t.agent_id
""")
_TAKEN_BY = text("""
    SELECT t.agent_id, d.name AS dag, t.task
      FROM task_instances t
      JOIN agents a ON a.id = t.agent_id
      JOIN dag_versions v ON v.id = t.dag_version_id
      JOIN dags d ON d.id = v.dag_id
     WHERE a.team_id = :team AND t.state = 'running' ORDER BY t.started_at, t.id LIMIT :most
""")
# Only policies that are in force somewhere: what an older one refused says nothing any more.
_REFUSALS = text("""
    SELECT r.site_id, r.subject, r.message, r.expires_at FROM policy_refusals r JOIN sites s ON s.id = r.site_id
     WHERE s.team_id = :team AND r.expires_at > :now
       AND EXISTS (SELECT 1 FROM agents a WHERE a.site_id = r.site_id AND a.policy_fingerprint = r.fingerprint)
       AND r.subject IN (SELECT id FROM task_instances WHERE run_id = :run AND state = 'queued'
                   UNION SELECT dag_version_id || ' ' || task FROM task_instances WHERE run_id = :run)
""")
_HOURS = "hours"
_ORDERED = frozenset({"api_pause", "api_drain"})


class SitesOfTeam:
    """Read once for one answer."""

    def __init__(
        self, connection: Connection, team: Team, run: str, *, disconnected_after_s: float, now: float
    ) -> None:
        parameters = {"team": team.id, "run": run, "now": now, "most": MOST_NAMED}
        self._now = now
        self._disconnected_after_s = disconnected_after_s
        self._sites = connection.execute(_SITES, parameters).all()
        self._offers = offers_in(connection, team.id)
        self.needs: dict[str, str] = {row.id: row.needs for row in connection.execute(_NEEDS, parameters)}
        self._refusals = {
            (row.site_id, row.subject): (row.message, row.expires_at)
            for row in connection.execute(_REFUSALS, parameters)
        }
        self._many = {row.agent_id: row.many for row in connection.execute(_RUNNING, parameters)}
        self._taken_by: defaultdict[str, list[str]] = defaultdict(list)
        for row in connection.execute(_TAKEN_BY, parameters):
            self._taken_by[row.agent_id].append(f"{row.dag}.{row.task}")
        ceilings = {site.id: site.max_slots for site in self._sites}
        self._agents: defaultdict[str, dict[str, AgentFacts]] = defaultdict(dict)
        for row in connection.execute(_AGENTS, parameters):
            self._agents[row.site_id][row.id] = self._agent(row, ceilings[row.site_id])

    def granted_nowhere(self, placement: str) -> list[str]:
        """Return the connections that a placement needs and no site was granted."""
        somewhere = {name for offered in self._offers.values() for name in offered.offer.connections}
        return [name for name in json.loads(self.needs[placement])["connections"] if name not in somewhere]

    def seen_from(self, placement: str, *subjects: str) -> Sequence[SiteFacts]:
        """Return the sites as a task instance of this placement meets them; ``subjects`` name it in refusals."""
        needs = Wanted.model_validate_json(self.needs[placement])
        return [self._site(site, needs, subjects) for site in self._sites]

    def python_wanted(self, placement: str) -> str | None:
        """Return the ``requires-python`` of a placement where that is all that some site lacks."""
        needs = Wanted.model_validate_json(self.needs[placement])
        is_all = needs.python is not None and any(
            needs_a_python(needs, offered.offer) for offered in self._offers.values()
        )
        return needs.python if is_all else None

    def _site(self, site: Row[Any], needs: Wanted, subjects: Sequence[str]) -> SiteFacts:
        refusal = next(
            (self._refusals[site.id, subject] for subject in subjects if (site.id, subject) in self._refusals), None
        )
        offered, agents = self._offers[site.id], self._agents[site.id]
        unable = set() if (lacks := mismatch(needs, offered.offer)) else set(offered.lacking(needs))
        return SiteFacts(
            name=site.name,
            lacks=lacks,
            locked_because=site.locked_because if site.locked_at is not None else None,
            locked_at=site.locked_at,
            refused_because=None if refusal is None else refusal[0],
            refused_until=None if refusal is None else refusal[1],
            max_running=site.max_running,
            running=sum(agent.running_count for agent in agents.values()),
            agents=[agent for name, agent in agents.items() if name not in unable],
        )

    def _agent(self, row: Row[Any], ceiling: int) -> AgentFacts:
        orders = orders_at(row.orders, now=self._now)
        policy = None if row.policy is None else PolicyFacts.model_validate_json(row.policy)
        closed = policy is not None and policy.hours_open is False
        until = policy.hours_until.timestamp() if closed and policy is not None and policy.hours_until else None
        return AgentFacts(
            name=row.name,
            locked_because=None if row.locked_at is None else row.locked_because or "no reason was given",
            last_seen_at=row.last_seen_at,
            is_connected=row.last_seen_at is not None and self._now - row.last_seen_at < self._disconnected_after_s,
            is_outside_hours=closed and (until is None or until > self._now),
            hours_until=until,
            paused_because=[*_ordered(orders.pause, "paused"), *_ordered(orders.drain, "drained"), *_own_reasons(row)],
            paused_until=orders.pause.until.timestamp() if orders.pause and orders.pause.until else None,
            slots=min(row.slots or 1, most_slots(ceiling, orders) or ceiling),
            running=self._taken_by[row.id],
            running_count=self._many.get(row.id, 0),
        )


def _ordered(order: Order | None, how: str) -> list[str]:
    if order is None:
        return []
    return [f"{how} by {order.by}" + (f" ({order.note})" if order.note else "")]


def _own_reasons(row: Row[Any]) -> list[str]:
    """Return why the agent takes no work by its own word; hours and orders are told apart from it."""
    if row.health is None:
        return list(json.loads(row.paused_because)) if row.paused_because else []
    if not row.paused_because:
        return []
    health = AgentHealth.model_validate_json(row.health)
    return [each.text for each in health.reasons if each.blocks and each.name not in {_HOURS, *_ORDERED}]


def needs_in_words(needs: dict[str, Any]) -> str:
    """Return what a placement needs, for people."""
    wanted = [f"connection {name}" for name in needs["connections"]]
    for name, condition in needs["labels"].items():
        compared = condition.startswith(("=", "!", "<", ">"))
        wanted.append(f"label {name}{'' if compared else '='}{condition}")
    if python := needs.get("python"):
        wanted.append(f"Python {python}")
    if needs["runtime"] == "container":
        wanted.append("podman or docker")
    return ", ".join(wanted) or f"runtime {needs['runtime']}"
