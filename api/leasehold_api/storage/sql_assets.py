"""Assets as deploys declare them and tasks write them, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, or_, select, text, update

from leasehold_api import clock
from leasehold_api.assets.declaring import Declaration, check_extra, declared_by, start_problem, why_inactive
from leasehold_api.storage.conditional import insert_unless_there
from leasehold_api.storage.sql_asset_arrivals import Written, arrived
from leasehold_api.storage.tables import asset_aliases, asset_declarations, asset_events, assets, dags
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.assets import Asset, AssetDeclared, AssetEventSaid
from leasehold_protocol.v1.manifest import Manifest, TaskEntry

_DECLARATIONS = select(
    dags.c.name.label("dag"), asset_declarations.c.name, asset_declarations.c.uri, asset_declarations.c.since
).join(dags, dags.c.id == asset_declarations.c.dag_id)

_FORGET = text("DELETE FROM asset_declarations WHERE dag_id = :dag AND name = :name")
_DECLARE = text("""
    INSERT INTO asset_declarations (dag_id, name, team_id, uri, since) VALUES (:dag, :name, :team, :uri, :since)
    ON CONFLICT (dag_id, name) DO UPDATE SET uri = excluded.uri, since = excluded.since
""")
_SEEN = (
    update(assets)
    .where(assets.c.team_id == bindparam("team"), assets.c.name == bindparam("asset"))
    .values(last_seen_at=bindparam("now"))
)


def declare(tx: Transaction, *, team_id: str, dag_id: str, manifest: Manifest, now: float) -> None:
    """Write down what the version of a DAG that was just deployed declares; the DAG's row is locked.

    Raises:
        InvalidRequestError: if the manifest contradicts itself.
    """
    declared = {asset.name: asset for asset in declared_by(manifest)}
    before = {row.name: row.uri for row in tx.run(_of_dag(dag_id)).all()}
    if not declared and not before:
        return
    for name in before.keys() - declared.keys():
        tx.run(_FORGET, {"dag": dag_id, "name": name})
    for name in sorted(declared):
        asset = declared[name]
        _make(tx, team_id, asset, now=now)
        if before.get(name) != asset.uri:  # who said the same before keeps its place
            tx.run(_DECLARE, {"dag": dag_id, "name": name, "team": team_id, "uri": asset.uri, "since": now})
    _follow_the_first(tx, team_id, {**dict.fromkeys(before), **declared})


def declarations(connection: Connection, team_id: str, assets_of: Iterable[tuple[str, str]]) -> list[Declaration]:
    """Return what current versions declare under these names and URIs."""
    pairs = list(assets_of)
    if not pairs:
        return []
    names, uris = sorted({name for name, _ in pairs}), sorted({uri for _, uri in pairs})
    rows = connection.execute(
        _DECLARATIONS.where(
            asset_declarations.c.team_id == team_id,
            or_(asset_declarations.c.name.in_(names), asset_declarations.c.uri.in_(uris)),
        )
    )
    return [Declaration(dag=row.dag, name=row.name, uri=row.uri, since=row.since) for row in rows.all()]


def start_problems(tx: Transaction, team_id: str, tasks: Sequence[TaskEntry]) -> list[str | None]:
    """Return for each task why it must not start; those without assets, which are most, cost no statement."""
    known = declarations(
        tx.connection,
        team_id,
        {(asset.name, asset.uri) for task in tasks for asset in (*task.inlets, *task.outlets)},
    )
    return [start_problem(task, known) for task in tasks]


def shown(row: Row[Any], known: Sequence[Declaration]) -> Asset:
    """Return the message for a row of ``assets``."""
    because = why_inactive(row.name, row.uri, known)
    return Asset(
        name=row.name,
        uri=row.uri,
        group=row.asset_group,
        extra=json.loads(row.extra),
        active=because is None,
        inactive_because=because,
    )


def all_shown(connection: Connection, team_id: str, rows: Sequence[Row[Any]]) -> list[Asset]:
    """Return the messages for rows of ``assets``."""
    known = declarations(connection, team_id, ((row.name, row.uri) for row in rows))
    return [shown(row, known) for row in rows]


def record_events(
    tx: Transaction,
    entry: TaskEntry,
    said: Sequence[AssetEventSaid],
    source: dict[str, Any],
    *,
    attempt: str,
    now: float,
) -> None:
    """Record an event for each outlet of a task that succeeded, in the transaction of its outcome.

    Args:
        tx: The transaction, in which the epoch was compared.
        entry: The task.
        said: What the task said of them; what it did not declare has no effect: hosts refuse that.
        source: The columns that say where the events come from, the team's among them.
        attempt: Its id.
        now: Seconds since 1970.
    """
    if not entry.outlets and not entry.outlet_aliases:
        return
    team_id: str = source["team_id"]
    extras = {each.name: each.extra for each in said if each.alias is None}
    written: list[tuple[str, str | None, str]] = []
    names: list[str] = []
    for asset in {asset.name: asset for asset in entry.outlets}.values():
        extra = check_extra(extras.get(asset.name, {}), f"the event of {asset.name!r}")
        written.append((_make(tx, team_id, asset, now=now, only_if_new=True), None, extra))
        names.append(asset.name)
    for each in said:
        if each.alias in entry.outlet_aliases and each.asset is not None:
            check_extra(each.asset.extra, f"the asset {each.name!r}")
            extra = check_extra(each.extra, f"the event of {each.name!r}")
            asset_id = _make(tx, team_id, each.asset, now=now, only_if_new=True)
            alias = {"team_id": team_id, "alias": each.alias, "asset_id": asset_id, "since": now}
            insert_unless_there(tx, asset_aliases, alias)
            tx.run(_SEEN, {"team": team_id, "asset": each.name, "now": now})
            written.append((asset_id, each.alias, extra))
            names.append(each.asset.name)
    passed_on: list[Written] = []
    for number, (asset_id, written_alias, extra) in enumerate(written):
        event = f"aev_{int(now * 1000):012x}_{attempt}_{number:03}"
        row = {**source, "id": event, "asset_id": asset_id, "alias": written_alias, "extra": extra, "at": now}
        tx.run(insert(asset_events).values(row))
        passed_on.append((event, names[number], written_alias))
    arrived(tx, team_id, passed_on, now=now)


def _of_dag(dag_id: str) -> Any:
    return select(asset_declarations.c.name, asset_declarations.c.uri).where(asset_declarations.c.dag_id == dag_id)


def _make(tx: Transaction, team_id: str, asset: AssetDeclared, *, now: float, only_if_new: bool = False) -> str:
    """Have an asset of this name, and return its id. A name that is known keeps its URI: see ``_follow_the_first``."""
    facts = {"asset_group": asset.group, "extra": json.dumps(asset.extra), "last_seen_at": now}
    row = {"id": clock.new_id("ast"), "team_id": team_id, "name": asset.name, "uri": asset.uri, "first_seen_at": now}
    is_new = insert_unless_there(tx, assets, row | facts)
    this = (assets.c.team_id == team_id) & (assets.c.name == asset.name)
    if not is_new and not only_if_new:
        tx.run(update(assets).where(this).values(facts))
    asset_id: str = tx.run(select(assets.c.id).where(this)).scalar_one()
    return asset_id


def _follow_the_first(tx: Transaction, team_id: str, names: Iterable[str]) -> None:
    """Give assets the URI of whoever declared them first; without anybody, they keep what they had."""
    wanted = set(names)
    rows = tx.run(
        _DECLARATIONS.where(asset_declarations.c.team_id == team_id, asset_declarations.c.name.in_(sorted(wanted)))
    ).all()
    first: dict[str, str] = {}
    for row in sorted(rows, key=lambda each: (each.since, each.dag)):
        first.setdefault(row.name, row.uri)
    for name, uri in sorted(first.items()):
        this = (assets.c.team_id == team_id) & (assets.c.name == name) & (assets.c.uri != uri)
        tx.run(update(assets).where(this).values(uri=uri))
