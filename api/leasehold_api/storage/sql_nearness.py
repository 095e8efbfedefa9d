"""Nearness: what reads a large result is first offered to the site that has it, for a moment, then to all.

A placement of its own, that only this site offers, stands for it in the index of claims: so nobody else looks at it
meanwhile, and a claim costs nothing more. When the time is up the task instance gets its usual placement back.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, bindparam, text

from leasehold_api.dags.plan import placement_id
from leasehold_api.runs.nearness import LARGE_BYTES, PREFERRED_FOR_S
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.writer import Transaction

# The site of the largest result that is read, if it offers what is needed, and somebody there may work.
_LARGEST = text("""
    SELECT t.site_id FROM task_instances t JOIN xcoms x ON x.task_instance_id = t.id AND x.epoch = t.epoch
     WHERE t.run_id = :run AND t.task IN :tasks AND x.size >= :large
     ORDER BY x.size DESC, t.id LIMIT 1
""").bindparams(bindparam("tasks", expanding=True))
_OFFERS = text("""
    SELECT p.team_id, p.needs FROM placements p JOIN site_placements sp ON sp.placement_id = p.id
      JOIN sites s ON s.id = sp.site_id
     WHERE p.id = :placement AND s.id = :site AND s.locked_at IS NULL
       AND EXISTS (SELECT 1 FROM agents a WHERE a.site_id = s.id AND a.locked_at IS NULL)
       AND EXISTS (SELECT 1 FROM site_placements o WHERE o.placement_id = p.id AND o.site_id <> s.id)
""")
_ADD = text("""
    INSERT INTO placements (id, team_id, needs, site_id) VALUES (:id, :team, :needs, :site)
        ON CONFLICT (id) DO NOTHING RETURNING id
""")
_OFFER = text("INSERT INTO site_placements (site_id, placement_id) VALUES (:site, :id) ON CONFLICT DO NOTHING")
_LACK = text("""
    INSERT INTO agent_lacks (agent_id, placement_id)
    SELECT l.agent_id, :near FROM agent_lacks l JOIN agents a ON a.id = l.agent_id
     WHERE l.placement_id = :usual AND a.site_id = :site
""")
_PREFER = text("""
    UPDATE task_instances SET placement_id = :near, usual_placement_id = :usual, spread_at = :until WHERE id = :id
""")

_DUE = """
    SELECT id FROM task_instances WHERE state = 'queued' AND spread_at IS NOT NULL AND spread_at <= :now
     ORDER BY spread_at LIMIT 500 {lock}
"""
_SPREAD = text("""
    UPDATE task_instances SET placement_id = usual_placement_id, usual_placement_id = NULL, spread_at = NULL
     WHERE id = :id AND state = 'queued' AND spread_at IS NOT NULL
    RETURNING placement_id, blocked_on
""")


def prefer_near(tx: Transaction, row: Row[Any], *, run: str, reads: list[str], now: float) -> str:
    """Return the placement for a task instance about to be queued, that reads results of the tasks ``reads``."""
    usual: str = row.placement_id
    if not reads:
        return usual
    site = tx.run(_LARGEST, {"run": run, "tasks": reads, "large": LARGE_BYTES}).scalar()
    if site is None or (offered := tx.run(_OFFERS, {"placement": usual, "site": site}).one_or_none()) is None:
        return usual
    near = placement_id(offered.team_id, f"{offered.needs}\n{site}")
    if tx.run(_ADD, {"id": near, "team": offered.team_id, "needs": offered.needs, "site": site}).first() is not None:
        tx.run(_OFFER, {"site": site, "id": near})
        tx.run(_LACK, {"near": near, "usual": usual, "site": site})
        tx.signal(Signal(Topic.OFFERS, site))
    tx.run(_PREFER, {"id": row.id, "near": near, "usual": usual, "until": now + PREFERRED_FOR_S})
    tx.signal(Signal(Topic.TIMER, ""))
    return near


def spread(tx: Transaction, *, now: float) -> int:
    """Offer to all sites what the preferred one did not take in time; return how many."""
    lock = "FOR UPDATE SKIP LOCKED" if tx.dialect == "postgresql" else ""
    due = tx.run(text(_DUE.format(lock=lock)), {"now": now}).scalars().all()
    for instance in due:
        moved = tx.run(_SPREAD, {"id": instance}).one_or_none()
        if moved is not None and moved.blocked_on is None:
            tx.signal(Signal(Topic.QUEUED, moved.placement_id))
    return len(due)
