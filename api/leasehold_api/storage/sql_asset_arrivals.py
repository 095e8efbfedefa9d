"""Asset events on their way to the DAGs that are scheduled on them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import text

from leasehold_api.clock import instant
from leasehold_api.schedules.conditions import holds, named_in
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.assets import AssetEvent
from leasehold_protocol.v1.schedules import MOST_TRIGGERING_EVENTS, Schedule

_FORGET = text("DELETE FROM asset_watchers WHERE dag_id = :dag")
_FORGET_ARRIVED = text("DELETE FROM asset_arrivals WHERE dag_id = :dag")
_WATCH = text("INSERT INTO asset_watchers (dag_id, kind, name, team_id) VALUES (:dag, :kind, :name, :team)")

_WATCHING = text("""
    SELECT dag_id FROM asset_watchers WHERE team_id = :team AND kind = 'asset' AND name = :name
    UNION SELECT dag_id FROM asset_watchers WHERE team_id = :team AND kind = 'alias' AND name = :alias
""")

# Locks the row: two tasks that write the last two assets at the same time would each see one of them only.
_SCHEDULE = "SELECT schedule, next_at, assets_at, waits, paused_at FROM schedules WHERE dag_id = :dag {lock}"

_ARRIVE = text("""
    INSERT INTO asset_arrivals (dag_id, event_id, name, alias) VALUES (:dag, :event, :name, :alias)
    ON CONFLICT (dag_id, event_id) DO NOTHING
""")

_ARRIVED = text("SELECT name, alias FROM asset_arrivals WHERE dag_id = :dag")

_IS_DUE = text("""
    UPDATE schedules SET next_at = :now, due_at = CASE WHEN paused_at IS NULL AND waits IS NULL THEN :now END
     WHERE dag_id = :dag
""")

_ASSETS_ARE_DUE = text("""
    UPDATE schedules SET assets_at = :now, due_at = CASE WHEN paused_at IS NULL AND waits IS NULL THEN :now END
     WHERE dag_id = :dag
""")

_TAKE = text("""
    INSERT INTO run_asset_events (run_id, event_id) SELECT :run, event_id FROM asset_arrivals WHERE dag_id = :dag
""")

_OF_RUN = text("""
    SELECT e.*, a.name AS asset, a.uri FROM run_asset_events r
      JOIN asset_events e ON e.id = r.event_id JOIN assets a ON a.id = e.asset_id
     WHERE r.run_id = :run ORDER BY e.id DESC LIMIT :most
""")

Written = tuple[str, str, str | None]
"""An event: its id, the asset's name, the alias that stood for it."""


def watch(tx: Transaction, *, team_id: str, dag_id: str, schedule: Schedule | None) -> None:
    """Note what the newest version of a DAG is scheduled on; events from before it began no run of it."""
    tx.run(_FORGET, {"dag": dag_id})
    tx.run(_FORGET_ARRIVED, {"dag": dag_id})
    for kind, name in named_in(None if schedule is None else schedule.assets):
        tx.run(_WATCH, {"dag": dag_id, "kind": kind, "name": name, "team": team_id})


def arrived(tx: Transaction, team_id: str, written: Sequence[Written], *, now: float) -> None:
    """Pass events on to the DAGs that are scheduled on their assets, in the transaction that recorded them."""
    found: dict[str, list[Written]] = {}
    for event in written:
        for dag_id in tx.run(_WATCHING, {"team": team_id, "name": event[1], "alias": event[2]}).scalars():
            found.setdefault(dag_id, []).append(event)
    lock = "FOR UPDATE" if tx.dialect == "postgresql" else ""
    for dag_id, events in sorted(found.items()):
        row = tx.run(text(_SCHEDULE.format(lock=lock)), {"dag": dag_id}).one()
        for written_id, name, alias in events:
            tx.run(_ARRIVE, {"dag": dag_id, "event": written_id, "name": name, "alias": alias})
        schedule = Schedule.model_validate_json(row.schedule) if row.schedule else None
        names = {named for each in tx.run(_ARRIVED, {"dag": dag_id}).all() for named in _both(each.name, each.alias)}
        if schedule is None or schedule.assets is None or not holds(schedule.assets, names):
            continue
        if (row.assets_at if schedule.goes_by_both else row.next_at) is None:
            tx.run(_ASSETS_ARE_DUE if schedule.goes_by_both else _IS_DUE, {"dag": dag_id, "now": now})
            tx.signal(Signal(Topic.TIMER, ""))


def take(tx: Transaction, *, dag_id: str, run: str) -> None:
    """Give a run the events that it is begun by; those that come from now on are for the next one."""
    tx.run(_TAKE, {"run": run, "dag": dag_id})
    tx.run(_FORGET_ARRIVED, {"dag": dag_id})


def events_of(tx: Transaction, run: str) -> list[AssetEvent]:
    """Return the events that began a run, oldest first; of very many the newest."""
    rows = tx.run(_OF_RUN, {"run": run, "most": MOST_TRIGGERING_EVENTS}).all()
    return [
        AssetEvent(
            event=row.id,
            asset=row.asset,
            uri=row.uri,
            alias=row.alias,
            at=instant(row.at),
            extra=json.loads(row.extra),
            dag=row.dag,
            run=row.run_id,
            task=row.task,
            map_index=row.map_index,
            try_number=row.try_number,
        )
        for row in reversed(rows)
    ]


def _both(name: str, alias: str | None) -> list[tuple[str, str]]:
    return [("asset", name), *([("alias", alias)] if alias is not None else [])]
