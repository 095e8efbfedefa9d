"""What a restore changes in the rows, and how leasing begins again after it; ``leases/restored`` has the rules."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from leasehold_api.signals import Signal, Topic
from leasehold_api.storage import sql_audit
from leasehold_api.storage.writer import Transaction

_FINAL = "('success', 'failed', 'skipped', 'upstream_failed', 'cancelled')"

_LONGEST = text(f"""
    SELECT team_id, max(lease_length_s) AS longest FROM task_instances WHERE state NOT IN {_FINAL} GROUP BY team_id
""")

_HOLD = text("UPDATE teams SET restored_at = :now, leases_from = :until WHERE id = :team")
_RESTORED = text("UPDATE teams SET restored_at = :now, leases_from = NULL")

# An agent that still has such a lease renewed it until the service stopped, of which these rows know nothing.
_RENEW_ALL = text("UPDATE task_instances SET expires_at = :now + lease_length_s WHERE state = 'running'")

_OVER = text("SELECT id FROM teams WHERE leases_from <= :now")
_LET_GO = text("UPDATE teams SET leases_from = NULL WHERE id = :team AND leases_from <= :now RETURNING id")
_SITES = text("SELECT id FROM sites WHERE team_id = :team")


def fence(tx: Transaction, *, made_at: float, now: float) -> float | None:
    """Keep apart what was leased before the backup, after it, and from now on; return when leasing begins again."""
    tx.run(_RESTORED, {"now": now})
    tx.run(_RENEW_ALL, {"now": now})
    held = {row.team_id: now + row.longest for row in tx.run(_LONGEST).all()}
    for team, until in sorted(held.items()):
        tx.run(_HOLD, {"team": team, "now": now, "until": until})
    _record(tx, {"made_at": made_at, "nothing_since": False}, now=now)
    return max(held.values(), default=None)


def go_on(tx: Transaction, *, made_at: float, now: float) -> None:
    """Record a restore of a backup since which nothing was leased: all that agents have goes on."""
    _record(tx, {"made_at": made_at, "nothing_since": True}, now=now)


def let_go(tx: Transaction, *, now: float) -> int:
    """Let the teams lease again whose time has come; return how many."""
    let = 0
    for team in tx.run(_OVER, {"now": now}).scalars().all():
        # Conditional: several API processes may look at the same moment.
        if tx.run(_LET_GO, {"team": team, "now": now}).first() is None:
            continue
        let += 1
        for site in tx.run(_SITES, {"team": team}).scalars():
            tx.signal(Signal(Topic.OFFERS, site))
    return let


def _record(tx: Transaction, detail: dict[str, Any], *, now: float) -> None:
    actor = "leasehold-api restore"
    sql_audit.record(tx, at=now, actor=actor, action="service.restored", object="database", detail=detail)
