"""Which sites offer what a placement needs: kept up to date whenever either side changes."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from leasehold_api.fleet.matching import Offer, mismatch, offers
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.tables import connection_grants, connections, placements, site_placements, sites
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.manifest import Needs

_TEAM_OF = select(sites.c.team_id).where(sites.c.id == bindparam("site"))
_SITES = select(sites.c.id, sites.c.labels, sites.c.reserved).where(sites.c.team_id == bindparam("team"))
_PLACEMENTS = select(placements.c.id, placements.c.needs).where(
    placements.c.team_id == bindparam("team"),
    placements.c.site_id.is_(None) | (placements.c.site_id == bindparam("site")),
)
_MATCHES = select(site_placements.c.placement_id).where(site_placements.c.site_id == bindparam("site"))
_GRANTS = (
    select(connection_grants.c.site_id, connections.c.name)
    .join(connections, connections.c.id == connection_grants.c.connection_id)
    .where(connections.c.team_id == bindparam("team"))
)


def rematch_site(tx: Transaction, site_id: str) -> None:
    """Compute again what a site offers; call it when its labels or the connections granted to it changed."""
    team_id = tx.run(_TEAM_OF, {"site": site_id}).scalar()
    if team_id is None:
        return
    offer = offers_in(tx.connection, team_id)[site_id]
    fitting = {
        placement.id
        for placement in tx.run(_PLACEMENTS, {"team": team_id, "site": site_id})
        if _fits(json.loads(placement.needs), offer)
    }
    known = {match.placement_id for match in tx.run(_MATCHES, {"site": site_id})}
    if gone := known - fitting:
        tx.run(
            delete(site_placements).where(
                site_placements.c.site_id == site_id, site_placements.c.placement_id == bindparam("gone")
            ),
            [{"gone": placement} for placement in sorted(gone)],
        )
    _add(tx, ((site_id, placement) for placement in sorted(fitting - known)))
    tx.signal(Signal(Topic.OFFERS, site_id))


def rematch_placement(tx: Transaction, placement_id: str, team_id: str, needs: Mapping[str, Any]) -> None:
    """Find the sites that offer what a placement needs; call it when the placement was just inserted."""
    fitting = [site for site, offer in offers_in(tx.connection, team_id).items() if _fits(needs, offer)]
    _add(tx, ((site, placement_id) for site in fitting))
    for site in fitting:
        tx.signal(Signal(Topic.OFFERS, site))


def offers_in(connection: Connection, team_id: str) -> dict[str, Offer]:
    """Return site id → what it offers, for the sites of a team."""
    granted: dict[str, set[str]] = {}
    for row in connection.execute(_GRANTS, {"team": team_id}):
        granted.setdefault(row.site_id, set()).add(row.name)
    return {
        site.id: offers(json.loads(site.labels), granted.get(site.id, set()), reserved=site.reserved)
        for site in connection.execute(_SITES, {"team": team_id})
    }


def _fits(needs: Mapping[str, Any], offer: Offer) -> bool:
    return mismatch(Needs.model_validate(needs), offer) is None


def _add(tx: Transaction, pairs: Iterable[tuple[str, str]]) -> None:
    rows: Collection[dict[str, str]] = [{"site_id": site, "placement_id": placement} for site, placement in pairs]
    if rows:
        tx.run(insert(site_placements), list(rows))
