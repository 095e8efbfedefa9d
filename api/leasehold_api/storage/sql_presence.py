"""The presence store on SQLite and PostgreSQL."""

from __future__ import annotations

import json

from sqlalchemy import text

from leasehold_api.fleet.presence import SiteTerms
from leasehold_api.storage.database import Database
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.agents import Hello

_HELLO = text("""
    UPDATE agents
       SET last_seen_at = :now, version = :version, host = :host, slots = :slots, paused_because = NULL,
           policy = :policy, policy_fingerprint = :fingerprint
     WHERE id = :agent
    RETURNING site_id
""")
_TERMS = text("SELECT labels, max_slots FROM sites WHERE id = :site")
_PAUSED = text("UPDATE agents SET paused_because = :reasons, last_seen_at = :now WHERE id = :agent")
_PLACEMENTS = text("SELECT placement_id FROM site_placements WHERE site_id = :site")


class SqlPresence:
    """Implements ``leasehold_api.fleet.presence.PresenceStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._placements: dict[str, frozenset[str]] = {}
        self._paused: dict[str, list[str]] = {}
        self._changes = 0

    async def hello(self, agent_id: str, hello: Hello, *, now: float) -> SiteTerms:
        """Note who is here; see the port."""

        def write(tx: Transaction) -> SiteTerms:
            site = tx.run(
                _HELLO,
                {
                    "agent": agent_id,
                    "now": now,
                    "version": hello.agent_version,
                    "host": hello.host.model_dump_json(),
                    "slots": hello.slots,
                    "policy": None if hello.policy is None else hello.policy.model_dump_json(),
                    "fingerprint": None if hello.policy is None else hello.policy.fingerprint,
                },
            ).scalar_one()
            terms = tx.run(_TERMS, {"site": site}).one()
            return SiteTerms(labels=json.loads(terms.labels), max_slots=terms.max_slots)

        self._paused.pop(agent_id, None)
        return await self._database.write(write)

    async def paused(self, agent_id: str, reasons: list[str], *, now: float) -> None:
        """Note why the agent takes no leases; see the port."""
        if self._paused.get(agent_id, []) == reasons:
            return
        parameters = {"agent": agent_id, "now": now, "reasons": json.dumps(reasons) if reasons else None}
        await self._database.write(lambda tx: tx.run(_PAUSED, parameters) and None)
        self._paused[agent_id] = list(reasons)

    async def placements_of(self, site_id: str) -> frozenset[str]:
        """Return the placements of a site; remembered until ``forget``. See the port."""
        if (known := self._placements.get(site_id)) is not None:
            return known
        asked_at = self._changes
        rows = await self._database.read(lambda c: c.execute(_PLACEMENTS, {"site": site_id}).scalars().all())
        if asked_at == self._changes:  # else the answer may be older than the change that was announced meanwhile
            self._placements[site_id] = frozenset(rows)
        return frozenset(rows)

    def forget(self, site_id: str) -> None:
        """What this site offers, or what is asked of it, changed."""
        self._changes += 1
        self._placements.pop(site_id, None)
