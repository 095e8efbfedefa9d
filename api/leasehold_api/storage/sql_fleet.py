"""Which sites offer what a placement needs: kept up to date whenever either side changes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from leasehold_api.fleet.machines import EVERYWHERE, Machine, Wanted, machine_fits
from leasehold_api.fleet.matching import Offer, mismatch, offers
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.tables import (
    agent_lacks,
    agents,
    connection_grants,
    connections,
    placements,
    site_placements,
    sites,
)
from leasehold_api.storage.writer import Transaction

_TEAM_OF = select(sites.c.team_id).where(sites.c.id == bindparam("site"))
_SITES = select(sites.c.id, sites.c.labels, sites.c.reserved).where(sites.c.team_id == bindparam("team"))
_PLACEMENTS = select(placements.c.id, placements.c.needs).where(
    placements.c.team_id == bindparam("team"),
    placements.c.site_id.is_(None) | (placements.c.site_id == bindparam("site")),
)
_MATCHES = select(site_placements.c.placement_id).where(site_placements.c.site_id == bindparam("site"))
_MACHINES = select(agents.c.id, agents.c.site_id, agents.c.offers).where(
    agents.c.team_id == bindparam("team"), agents.c.offers.is_not(None)
)
_LACKING = (
    select(agent_lacks.c.agent_id, agent_lacks.c.placement_id)
    .join(agents, agents.c.id == agent_lacks.c.agent_id)
    .where(agents.c.site_id == bindparam("site"))
)
_GRANTS = (
    select(connection_grants.c.site_id, connections.c.name)
    .join(connections, connections.c.id == connection_grants.c.connection_id)
    .where(connections.c.team_id == bindparam("team"))
)


def rematch_site(tx: Transaction, site_id: str) -> None:
    """Compute again what a site offers.

    Call it when its labels, the connections granted to it, or what one of its agents can run changed.
    """
    team_id = tx.run(_TEAM_OF, {"site": site_id}).scalar()
    if team_id is None:
        return
    offered = offers_in(tx.connection, team_id)[site_id]
    asked = {
        placement.id: Wanted.model_validate_json(placement.needs)
        for placement in tx.run(_PLACEMENTS, {"team": team_id, "site": site_id})
    }
    fitting = {placement for placement, wanted in asked.items() if mismatch(wanted, offered.offer) is None}
    known = {match.placement_id for match in tx.run(_MATCHES, {"site": site_id})}
    if gone := known - fitting:
        tx.run(
            delete(site_placements).where(
                site_placements.c.site_id == site_id, site_placements.c.placement_id == bindparam("gone")
            ),
            [{"gone": placement} for placement in sorted(gone)],
        )
    _add(tx, ((site_id, placement) for placement in sorted(fitting - known)))
    lacking = {(agent, placement) for placement in fitting for agent in offered.lacking(asked[placement])}
    lacked = {(row.agent_id, row.placement_id) for row in tx.run(_LACKING, {"site": site_id})}
    for agent, placement in sorted(lacked - lacking):
        tx.run(
            delete(agent_lacks).where(agent_lacks.c.agent_id == agent, agent_lacks.c.placement_id == placement),
        )
    _add_lacking(tx, lacking - lacked)
    tx.signal(Signal(Topic.OFFERS, site_id))


def rematch_placement(tx: Transaction, placement_id: str, team_id: str, needs: Mapping[str, Any]) -> None:
    """Find the sites that offer what a placement needs; call it when the placement was just inserted."""
    wanted = Wanted.model_validate(needs)
    found = offers_in(tx.connection, team_id)
    fitting = [site for site, offered in found.items() if mismatch(wanted, offered.offer) is None]
    _add(tx, ((site, placement_id) for site in fitting))
    _add_lacking(tx, ((agent, placement_id) for site in fitting for agent in found[site].lacking(wanted)))
    for site in fitting:
        tx.signal(Signal(Topic.OFFERS, site))


@dataclass(frozen=True, slots=True)
class Offered:
    """What a site offers, and which agent can run what."""

    offer: Offer
    machines: Mapping[str, Machine]
    """By agent; those that were heard."""

    def lacking(self, wanted: Wanted) -> list[str]:
        """Return the agents that can't run what their site offers."""
        return [agent for agent, machine in self.machines.items() if not machine_fits(wanted, machine)]


def offers_in(connection: Connection, team_id: str) -> dict[str, Offered]:
    """Return site id → what it offers, for the sites of a team."""
    granted: defaultdict[str, set[str]] = defaultdict(set)
    for row in connection.execute(_GRANTS, {"team": team_id}):
        granted[row.site_id].add(row.name)
    machines: defaultdict[str, dict[str, Machine]] = defaultdict(dict)
    for heard in connection.execute(_MACHINES, {"team": team_id}):
        machines[heard.site_id][heard.id] = machine_from(heard.offers)
    return {
        site.id: Offered(
            offers(
                json.loads(site.labels), granted[site.id], tuple(machines[site.id].values()), reserved=site.reserved
            ),
            machines[site.id],
        )
        for site in connection.execute(_SITES, {"team": team_id})
    }


def machine_from(offers: str) -> Machine:
    """Read what an agent said of its machine, as its row has it."""
    said = json.loads(offers)
    return Machine(runtimes=EVERYWHERE | set(said["runtimes"]), pythons=said["pythons"])


def _add(tx: Transaction, pairs: Iterable[tuple[str, str]]) -> None:
    rows: Collection[dict[str, str]] = [{"site_id": site, "placement_id": placement} for site, placement in pairs]
    if rows:
        tx.run(insert(site_placements), list(rows))


def _add_lacking(tx: Transaction, pairs: Iterable[tuple[str, str]]) -> None:
    rows = [{"agent_id": agent, "placement_id": placement} for agent, placement in sorted(pairs)]
    if rows:
        tx.run(insert(agent_lacks), rows)
