"""The lines that a run's task instances wait in, made with the run."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from leasehold_api.dags.plan import Plan
from leasehold_api.runs.limits import Limit, LimitKind, limits_of, line_id
from leasehold_api.storage.sql_admission import admit_at, hold_still
from leasehold_api.storage.writer import Transaction

_LIMIT = text("""
    INSERT INTO limits (id, team_id, kind, name, run_id, most) VALUES (:id, :team, :kind, :name, :run, :most)
        ON CONFLICT (id) DO UPDATE SET most = excluded.most
""")
# A pool that nobody set has no slots, so that what names it waits and says so.
_POOL = text("""
    INSERT INTO limits (id, team_id, kind, name, most) VALUES (:id, :team, :kind, :name, 0) ON CONFLICT (id) DO NOTHING
""")
_LINE = text("INSERT INTO lines (id, team_id, run_id) VALUES (:id, :team, :run) ON CONFLICT (id) DO NOTHING")
_PASSES = text("""
    INSERT INTO line_limits (line_id, limit_id, rank, slots) VALUES (:line, :limit, :rank, :slots)
        ON CONFLICT (line_id, limit_id) DO NOTHING
""")

_FORGET_LINES = text("DELETE FROM lines WHERE run_id = :run")
_FORGET_PASSES = text("DELETE FROM line_limits WHERE line_id IN (SELECT id FROM lines WHERE run_id = :run)")
_FORGET_LIMITS = text("DELETE FROM limits WHERE run_id = :run")


def lines_for(tx: Transaction, plan: Plan, *, team_id: str, dag_id: str, run_id: str, now: float) -> dict[str, str]:
    """Return task → the line that its instances wait in; tasks that nothing limits are left out."""
    if not plan.has_limits:
        return {}
    hold_still(tx, team_id)
    known: dict[str, Limit] = {}
    lines: dict[str, str] = {}
    made: set[str] = set()
    for entry in plan.manifest.tasks:
        limits = limits_of(plan, entry, team_id=team_id, dag_id=dag_id, run_id=run_id)
        if not limits:
            continue
        for limit in limits:
            if limit.id not in known:
                known[limit.id] = limit
                _write(tx, limit, team_id)
        lines[entry.id] = line = line_id(limits)
        if line not in made:
            made.add(line)
            own = next((limit.run_id for limit in limits if limit.run_id), None)
            tx.run(_LINE, {"id": line, "team": team_id, "run": own})
            tx.run(_PASSES, [_pass(line, limit) for limit in limits])
    for limit in known.values():
        if limit.run_id is None and limit.kind is not LimitKind.POOL:
            admit_at(tx, limit.id, now=now)  # a new version may allow more
    return lines


def forget_run(tx: Transaction, run_id: str) -> None:
    """Forget the limits and lines of a run; call it when the run itself is deleted."""
    for statement in (_FORGET_PASSES, _FORGET_LINES, _FORGET_LIMITS):
        tx.run(statement, {"run": run_id})


def _write(tx: Transaction, limit: Limit, team_id: str) -> None:
    row = {"id": limit.id, "team": team_id, "kind": limit.kind.value, "name": limit.name}
    if limit.most is None:
        tx.run(_POOL, row)
    else:
        tx.run(_LIMIT, {**row, "run": limit.run_id, "most": limit.most})


def _pass(line: str, limit: Limit) -> dict[str, Any]:
    return {"line": line, "limit": limit.id, "rank": limit.rank, "slots": limit.slots}
