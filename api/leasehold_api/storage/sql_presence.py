"""The presence store on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from leasehold_api import clock
from leasehold_api.fleet.presence import SiteTerms
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_fleet import rematch_site
from leasehold_api.storage.sql_offered import OFFERED
from leasehold_api.storage.sql_orders import orders_at
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.agents import Hello
from leasehold_protocol.v1.health import AgentHealth, HealthReason
from leasehold_protocol.v1.orders import Orders

_HELLO = text("""
    UPDATE agents
       SET last_seen_at = :now, version = :version, host = :host, slots = :slots, paused_because = :reasons,
           health = COALESCE(:health, health), health_at = COALESCE(:health_at, health_at),
           policy = :policy, policy_fingerprint = :fingerprint, offers = :offers
     WHERE id = :agent
    RETURNING site_id
""")
_TERMS = text("SELECT labels, max_slots, trusted FROM sites WHERE id = :site")
_TOLD = text("""
    UPDATE agents
       SET paused_because = :reasons, last_seen_at = :now,
           health = COALESCE(:health, health), health_at = COALESCE(:health_at, health_at)
     WHERE id = :agent
""")
_SEEN = text("UPDATE agents SET last_seen_at = :now WHERE id = :agent")
_ORDERS = text("SELECT orders FROM agents WHERE id = :agent")
_WEIGHT = text("SELECT weight FROM sites WHERE id = :site")
_OFFERS_OF = text("SELECT offers FROM agents WHERE id = :agent")


HEALTH_EVERY_S = 60.0
"""Numbers alone (free space, memory) are not written more often than this."""
SEEN_EVERY_S = 20.0


@dataclass(frozen=True, slots=True)
class _Word:
    """What an agent said last, as far as it was written."""

    reasons: list[str]
    health: list[HealthReason] | None
    written_at: float


class SqlPresence:
    """Implements ``leasehold_api.fleet.presence.PresenceStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._placements: dict[str, dict[str, frozenset[str]]] = {}
        """Site → agent → its placements."""
        self._weights: dict[str, int] = {}
        self._words: dict[str, _Word] = {}
        self._seen: dict[str, float] = {}
        self._changes = 0

    async def hello(self, agent_id: str, hello: Hello, *, now: float) -> SiteTerms:
        """Note who is here; see the port."""

        offers = json.dumps({"runtimes": sorted(set(hello.runtimes)), "pythons": hello.pythons})

        def write(tx: Transaction) -> SiteTerms:
            known = tx.run(_OFFERS_OF, {"agent": agent_id}).scalar()
            site = tx.run(
                _HELLO,
                {
                    "agent": agent_id,
                    "now": now,
                    "version": hello.agent_version,
                    "host": hello.host.model_dump_json(),
                    "slots": hello.slots,
                    **_said(hello.paused_because, hello.health, now),
                    "policy": None if hello.policy is None else hello.policy.model_dump_json(),
                    "fingerprint": None if hello.policy is None else hello.policy.fingerprint,
                    "offers": offers,
                },
            ).scalar_one()
            if known != offers:
                rematch_site(tx, site)
            terms = tx.run(_TERMS, {"site": site}).one()
            return SiteTerms(labels=json.loads(terms.labels), max_slots=terms.max_slots, trusted=bool(terms.trusted))

        self._words.pop(agent_id, None)
        return await self._database.write(write)

    async def told(self, agent_id: str, reasons: list[str], health: AgentHealth | None, *, now: float) -> None:
        """Note how the agent is; see the port."""
        word = _Word(reasons, None if health is None else health.reasons, now)
        known = self._words.get(agent_id, _Word([], None, 0.0))
        is_news = (word.reasons, word.health) != (known.reasons, known.health)
        if not is_news and (health is None or now - known.written_at < HEALTH_EVERY_S):
            return
        parameters = {"agent": agent_id, "now": now, **_said(reasons, health, now)}
        await self._database.write(lambda tx: tx.run(_TOLD, parameters) and None)
        self._words[agent_id] = word

    async def seen(self, agent_id: str, *, now: float) -> None:
        """Note that the agent is there; see the port."""
        if now - self._seen.get(agent_id, 0.0) >= SEEN_EVERY_S:
            self._seen[agent_id] = now
            await self._database.write(lambda tx: tx.run(_SEEN, {"agent": agent_id, "now": now}) and None)

    async def orders_of(self, agent_id: str) -> Orders:
        """Return what is ordered of the agent; see the port."""
        text_ = await self._database.read(lambda c: c.execute(_ORDERS, {"agent": agent_id}).scalar())
        return orders_at(text_, now=clock.now())

    async def placements_of(self, site_id: str, agent_id: str) -> frozenset[str]:
        """Return the placements that an agent is asked for; remembered until ``forget``. See the port."""
        if (known := self._placements.get(site_id, {}).get(agent_id)) is not None:
            return known
        asked_at = self._changes
        asked = {"site": site_id, "agent": agent_id}
        rows = await self._database.read(lambda c: c.execute(OFFERED, asked).scalars().all())
        if asked_at == self._changes:  # else the answer may be older than the change that was announced meanwhile
            self._placements.setdefault(site_id, {})[agent_id] = frozenset(rows)
        return frozenset(rows)

    async def weight_of(self, site_id: str) -> int:
        """Return the weight of a site; remembered until ``forget``. See the port."""
        if (known := self._weights.get(site_id)) is not None:
            return known
        asked_at = self._changes
        weight: int = await self._database.read(lambda c: c.execute(_WEIGHT, {"site": site_id}).scalar_one())
        if asked_at == self._changes:
            self._weights[site_id] = weight
        return weight

    def forget(self, site_id: str) -> None:
        """What this site offers, or what is asked of it, changed."""
        self._changes += 1
        self._placements.pop(site_id, None)
        self._weights.pop(site_id, None)


def _said(reasons: list[str], health: AgentHealth | None, now: float) -> dict[str, Any]:
    return {
        "reasons": json.dumps(reasons) if reasons else None,
        "health": None if health is None else health.model_dump_json(),
        "health_at": None if health is None else now,
    }
