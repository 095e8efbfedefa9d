"""Who may be started: task instances pass their limits here, and give back what they hold.

What is limited is queued in two steps. It stands in its line first, where no claim sees it, and is admitted by the
transaction that finds room in all its limits: its own when it is queued, else the one that makes room. So a claim costs
the same however many stand in lines, and nobody has to look again and again.

Always true after a commit: a line in which somebody waits ``stands_at`` a limit that has no room for them. Whoever
makes room in a limit therefore finds everyone whom that may help by looking at the lines that stand there.

What one team's limits hold is changed by one transaction at a time (``hold_still``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, text

from leasehold_api.runs.limits import room_for
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.writer import Transaction

_HOLD_STILL = text("SELECT pg_advisory_xact_lock(hashtextextended('limits ' || :team, 0))")

_LIMITS = text("""
    SELECT l.id, l.most, l.used, ll.slots FROM line_limits ll JOIN limits l ON l.id = ll.limit_id
     WHERE ll.line_id = :line ORDER BY ll.rank, l.id
""")

_FIRST = text("""
    SELECT id, run_id, placement_id FROM task_instances WHERE blocked_on = :line AND state = 'queued'
     ORDER BY priority DESC, queued_at, id LIMIT :most
""")

# One index probe for each line that stands there, however many wait in it.
_FIRST_AT = text("""
    SELECT t.blocked_on AS line FROM lines n
      JOIN line_limits ll ON ll.line_id = n.id AND ll.limit_id = n.stands_at
      JOIN limits l ON l.id = n.stands_at
      JOIN task_instances t ON t.id = (
           SELECT f.id FROM task_instances f WHERE f.blocked_on = n.id AND f.state = 'queued'
            ORDER BY f.priority DESC, f.queued_at, f.id LIMIT 1)
     WHERE n.stands_at = :limit AND l.used + ll.slots <= l.most
     ORDER BY t.priority DESC, t.queued_at, t.id LIMIT 1
""")

_STAND_AT = text("UPDATE lines SET stands_at = :limit WHERE id = :line")
_ADMIT = text("UPDATE task_instances SET blocked_on = NULL WHERE id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)
_USE = text("UPDATE limits SET used = used + :slots WHERE id = :limit")
_HOLD = text("""
    INSERT INTO limit_holds (task_instance_id, limit_id, run_id, slots, since)
    VALUES (:id, :limit, :run, :slots, :now)
""")

_GIVE_BACK = text("DELETE FROM limit_holds WHERE task_instance_id = :id RETURNING limit_id, slots")
_GIVE_BACK_ENDED = text("""
    DELETE FROM limit_holds WHERE run_id = :run AND NOT EXISTS (
        SELECT 1 FROM task_instances t WHERE t.id = task_instance_id AND t.state IN ('queued', 'running'))
    RETURNING limit_id, slots
""")

_AT_ONCE = 256
"""How many of one line are admitted by one statement."""


def hold_still(tx: Transaction, team_id: str) -> None:
    """Let no other transaction change what the limits of a team hold, until this one is over."""
    if tx.dialect == "postgresql":  # SQLite has one writer
        tx.run(_HOLD_STILL, {"team": team_id})


def move_up(tx: Transaction, line: str, *, now: float, most: int | None = None) -> None:
    """Admit the first of a line, as many as its limits have room for and ``most`` at most; the others wait."""
    left = most
    while left is None or left > 0:
        passed = tx.run(_LIMITS, {"line": line}).all()
        rooms = [(room_for(most=limit.most, used=limit.used, slots=limit.slots), limit.id) for limit in passed]
        full = next((limit for room, limit in rooms if room == 0), None)
        if full is not None:
            tx.run(_STAND_AT, {"line": line, "limit": full})
            return
        room = min([_AT_ONCE, *(room for room, _ in rooms), *([] if left is None else [left])])
        first = tx.run(_FIRST, {"line": line, "most": room}).all()
        if not first:
            tx.run(_STAND_AT, {"line": line, "limit": None})
            return
        _admit(tx, first, passed, now=now)
        left = None if left is None else left - len(first)


def enter(tx: Transaction, instance: str, line: str, *, team_id: str, now: float) -> None:
    """Let a task instance into its line, where it stands first or not; its row says that it is queued and blocked."""
    give_back(tx, instance, team_id=team_id, now=now)
    move_up(tx, line, now=now)


def give_back(tx: Transaction, instance: str, *, team_id: str, now: float) -> None:
    """Take back what one task instance holds, and admit whom that helps."""
    hold_still(tx, team_id)
    _make_room(tx, tx.run(_GIVE_BACK, {"id": instance}).all(), now=now)


def give_back_ended(tx: Transaction, run: str, *, team_id: str, now: float) -> None:
    """Take back what ended task instances of a run hold, and admit whom that helps."""
    hold_still(tx, team_id)
    _make_room(tx, tx.run(_GIVE_BACK_ENDED, {"run": run}).all(), now=now)


def admit_at(tx: Transaction, limit: str, *, now: float) -> None:
    """Admit whom the room in a limit helps, by priority and age; call it when its room has grown."""
    # A line whose first is too big for the room, or that another limit stops, leaves the room to the next one.
    while (line := tx.run(_FIRST_AT, {"limit": limit}).scalar()) is not None:
        move_up(tx, line, now=now, most=1)


def _make_room(tx: Transaction, given: Sequence[Row[Any]], *, now: float) -> None:
    back: dict[str, int] = {}
    for hold in given:
        back[hold.limit_id] = back.get(hold.limit_id, 0) + hold.slots
    for limit, slots in sorted(back.items()):
        tx.run(_USE, {"limit": limit, "slots": -slots})
    for limit in sorted(back):
        admit_at(tx, limit, now=now)


def _admit(tx: Transaction, first: Iterable[Row[Any]], passed: Sequence[Row[Any]], *, now: float) -> None:
    admitted = list(first)
    tx.run(_ADMIT, {"ids": [row.id for row in admitted]})
    for limit in passed:
        tx.run(_USE, {"limit": limit.id, "slots": limit.slots * len(admitted)})
    holds = [
        {"id": row.id, "limit": limit.id, "run": row.run_id, "slots": limit.slots, "now": now}
        for row in admitted
        for limit in passed
    ]
    if holds:
        tx.run(_HOLD, holds)
    for row in admitted:
        tx.signal(Signal(Topic.QUEUED, row.placement_id))
        tx.signal(Signal(Topic.RUN, row.run_id))
