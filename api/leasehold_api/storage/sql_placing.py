"""The placements of a plan's tasks: made when nobody asked for them before."""

from __future__ import annotations

import json

from sqlalchemy import text

from leasehold_api.dags.plan import Plan, canonical_needs, placement_id
from leasehold_api.storage.sql_fleet import rematch_placement
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.manifest import PythonWork

_ADD_PLACEMENT = text("""
    INSERT INTO placements (id, team_id, needs) VALUES (:id, :team, :needs) ON CONFLICT (id) DO NOTHING
""")


def place(tx: Transaction, plan: Plan, team_id: str) -> dict[str, str]:
    """Return task → placement id; placements nobody asked for before are matched against the sites."""
    requires = plan.manifest.requires_python
    needs = {
        entry.id: canonical_needs(entry.needs, python=requires if isinstance(entry.work, PythonWork) else None)
        for entry in plan.manifest.tasks
    }
    ids = {text_: placement_id(team_id, text_) for text_ in set(needs.values())}
    for canonical, identifier in sorted(ids.items()):
        added = tx.run(_ADD_PLACEMENT, {"id": identifier, "team": team_id, "needs": canonical})
        if added.rowcount == 1:  # type: ignore[attr-defined]  # Result of an INSERT is a CursorResult
            rematch_placement(tx, identifier, team_id, json.loads(canonical))
    return {task: ids[canonical] for task, canonical in needs.items()}
