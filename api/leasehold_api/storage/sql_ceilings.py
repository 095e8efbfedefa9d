"""Ceilings: how many task instances a team, and a site, run at once, all agents together.

A claim is for one site of one team, so a full one gives nothing and looks at no task instance. Whoever ends one below a
ceiling wakes those who may have looked in vain.
"""

from __future__ import annotations

import sys
from typing import Any

from sqlalchemy import Row, text

from leasehold_api.callers import AgentCaller
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.writer import Transaction

# The row is held until the commit: of two claims that meet at the last place, one waits and counts the other.
_HOLD_TEAM = text("SELECT max_running FROM teams WHERE id = :id FOR NO KEY UPDATE")
_HOLD_SITE = text("SELECT max_running FROM sites WHERE id = :id FOR NO KEY UPDATE")

_IN_TEAM = text("SELECT count(*) FROM task_instances WHERE team_id = :team AND state = 'running'")
_AT_SITE = text("""
    SELECT count(*) FROM task_instances WHERE team_id = :team AND site_id = :site AND state = 'running'
""")

# One index probe for each kind of work, however much of it waits.
_WORK = text("""
    SELECT p.id FROM placements p WHERE p.team_id = :team AND EXISTS (
        SELECT 1 FROM task_instances t
         WHERE t.placement_id = p.id AND t.state = 'queued' AND t.blocked_on IS NULL)
""")
_SITES = text("SELECT id FROM sites WHERE team_id = :team ORDER BY id")


def room_at(tx: Transaction, holder: AgentCaller, *, site_most: int | None, team_most: int | None) -> int:
    """Return how many more may run at the holder's site; a great number where nobody set a ceiling."""
    if site_most is None and team_most is None:
        return sys.maxsize
    if tx.dialect == "postgresql":  # SQLite has one writer
        team_most = tx.run(_HOLD_TEAM, {"id": holder.team_id}).scalar_one()
        site_most = tx.run(_HOLD_SITE, {"id": holder.site_id}).scalar_one()
    room, of = sys.maxsize, {"team": holder.team_id, "site": holder.site_id}
    if team_most is not None:
        room = team_most - int(tx.run(_IN_TEAM, of).scalar_one())
    if site_most is not None:
        room = min(room, site_most - int(tx.run(_AT_SITE, of).scalar_one()))
    return room


def made_room(tx: Transaction, ended: Row[Any]) -> None:
    """Wake who may take the place of what ended, if a ceiling (``team_most``, ``site_most``) kept them from it."""
    if ended.team_most is not None:
        for placement in tx.run(_WORK, {"team": ended.team_id}).scalars():
            tx.signal(Signal(Topic.QUEUED, placement))
    if ended.site_most is not None:
        tx.signal(Signal(Topic.OFFERS, ended.site_id))


def wake_team(tx: Transaction, team_id: str) -> None:
    """Let all agents of a team look again: its ceiling was raised."""
    for site in tx.run(_SITES, {"team": team_id}).scalars():
        tx.signal(Signal(Topic.OFFERS, site))
