"""Locking agents and sites: tokens end, running attempts finish or are taken back, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Row, select, update

from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_endings import take_back
from leasehold_api.storage.tables import agents, sites
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.fleet import RunningAttempts

SITE_LOCK = (
    sites.c.locked_at.label("site_locked_at"),
    sites.c.locked_because.label("site_locked_because"),
    sites.c.locked_running.label("site_locked_running"),
)
"""What a query of agents must bring along of their site, for ``lock_of``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """How an agent stands, its own lock and its site's taken together."""

    because: str | None
    """None: it is not locked."""
    running: RunningAttempts | None

    @property
    def is_finishing(self) -> bool:
        """It may bring what it holds to an end."""
        return self.running is RunningAttempts.FINISH


def lock_of(found: object) -> Lock:
    """Return an agent's lock; the row ``found`` has the agent's columns and ``SITE_LOCK``.

    Of two locks, its own and its site's, the stricter counts.
    """
    row = cast("Row[Any]", found)
    locks: list[Lock] = []
    if row.locked_at is not None:
        locks.append(_lock(row.locked_because, row.locked_running))
    if row.site_locked_at is not None:
        locks.append(_lock(f"its site is locked: {row.site_locked_because}", row.site_locked_running))
    unlocked = Lock(because=None, running=None)
    return next((lock for lock in locks if not lock.is_finishing), locks[0] if locks else unlocked)


def lock_agent(
    tx: Transaction, plans: Plans, agent_id: str, *, because: str, running: RunningAttempts, now: float
) -> None:
    """Lock an agent: its access tokens end, and the next request by it is refused. Its site goes on."""
    # The agent's row is written first: a claim holds it too, so none is under way when its attempts are looked for.
    tx.run(
        update(agents)
        .where(agents.c.id == agent_id)
        .values(
            locked_at=now,
            locked_because=because,
            locked_running=running.value,
            token_epoch=agents.c.token_epoch + 1,
        )
    )
    if running is RunningAttempts.CANCEL:
        take_back(tx, plans, agent_id, because=f"its agent was locked: {because}", now=now)
    tx.signal(Signal(Topic.AGENT, agent_id))


def lock_site(
    tx: Transaction, plans: Plans, site_id: str, *, because: str, running: RunningAttempts, now: float
) -> None:
    """Lock a site: each of its agents stands as if it were locked itself, and none enrols."""
    locked = {"locked_at": now, "locked_because": because, "locked_running": running.value}
    tx.run(update(sites).where(sites.c.id == site_id).values(locked))
    mine = agents.c.site_id == site_id
    tx.run(update(agents).where(mine).values(token_epoch=agents.c.token_epoch + 1))
    for agent_id in tx.run(select(agents.c.id).where(mine).order_by(agents.c.id)).scalars().all():
        if running is RunningAttempts.CANCEL:
            take_back(tx, plans, agent_id, because=f"its site was locked: {because}", now=now)
        tx.signal(Signal(Topic.AGENT, agent_id))


def _lock(because: str | None, running: str | None) -> Lock:
    # Locked before there was a choice: nothing may go on.
    return Lock(
        because=because or "no reason was given",
        running=RunningAttempts.CANCEL if running is None else RunningAttempts(running),
    )
