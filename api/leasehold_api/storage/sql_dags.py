"""The DAG store on SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, select, text

from leasehold_api.acting import By
from leasehold_api.clock import instant
from leasehold_api.dags.catalog import NewVersion
from leasehold_api.dags.signatures import signature_facts
from leasehold_api.errors import ConflictError, NotFoundError
from leasehold_api.storage import sql_assets, sql_audit, sql_schedules
from leasehold_api.storage.conditional import insert_unless_there
from leasehold_api.storage.database import Database
from leasehold_api.storage.schedule_rows import standing
from leasehold_api.storage.tables import bundles, dag_versions, dags, schedules
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.manifest import Manifest
from leasehold_protocol.v1.runs import DagDetail, DagSummary, DagVersion, DeployedDag
from leasehold_protocol.v1.schedules import ScheduleStanding
from leasehold_protocol.v1.signing import SignatureFacts

_CREATE_DAG = text("""
    INSERT INTO dags (id, team_id, name, version) VALUES (:id, :team, :name, 0)
    ON CONFLICT (team_id, name) DO NOTHING
""")
# Also takes the row's lock: two deploys of one DAG get two versions.
_LOCK_DAG = text("UPDATE dags SET version = version WHERE team_id = :team AND name = :name RETURNING id, version")
_SET_VERSION = text("UPDATE dags SET version = :version, retention_days = :days WHERE id = :id")

_NEWEST = (
    select(
        dags.c.name,
        dag_versions.c.version,
        dag_versions.c.manifest,
        dag_versions.c.created_at,
        dag_versions.c.created_by,
        dag_versions.c.signature,
        dags.c.id,
    )
    .join(dag_versions, (dag_versions.c.dag_id == dags.c.id) & (dag_versions.c.version == dags.c.version))
    .order_by(dags.c.name)
)


class SqlDags:
    """Implements ``leasehold_api.dags.catalog.DagStore``."""

    def __init__(self, database: Database, *, start_paused: bool = False) -> None:
        self._database = database
        self._start_paused = start_paused

    async def deploy(self, new: NewVersion, *, now: float) -> DeployedDag:
        """Store a version; see the port."""
        return await self._database.write(lambda tx: _deploy(tx, new, now, start_paused=self._start_paused))

    async def versions(self, team_id: str, dag: str, *, before: int | None, limit: int) -> list[DagVersion]:
        """Return the versions; see the port."""

        def query(connection: Connection) -> list[DagVersion]:
            found = select(dags.c.id).where(dags.c.team_id == team_id, dags.c.name == dag)
            if (dag_id := connection.execute(found).scalar_one_or_none()) is None:
                raise _absent(dag)
            columns = (dag_versions.c[name] for name in ("version", "created_at", "created_by", "signature"))
            wanted = select(*columns).where(dag_versions.c.dag_id == dag_id)
            if before is not None:
                wanted = wanted.where(dag_versions.c.version < before)
            rows = connection.execute(wanted.order_by(dag_versions.c.version.desc()).limit(limit)).all()
            return [
                DagVersion(
                    version=row.version,
                    deployed_at=instant(row.created_at),
                    deployed_by=row.created_by,
                    signed=_facts(row.signature),
                )
                for row in rows
            ]

        return await self._database.read(query)

    async def list(self, team_id: str) -> list[DagSummary]:
        """Return the team's DAGs; see the port."""

        def query(connection: Connection) -> list[DagSummary]:
            rows = connection.execute(_NEWEST.where(dags.c.team_id == team_id)).all()
            standings = {
                row.dag_id: standing(row)
                for row in connection.execute(select(schedules).where(schedules.c.team_id == team_id)).all()
            }
            details = [_detail(*row[:-1], schedule=standings.get(row.id)) for row in rows]
            return [DagSummary.model_validate(each.model_dump()) for each in details]

        return await self._database.read(query)

    async def get(self, team_id: str, dag: str) -> DagDetail:
        """Return the newest version; see the port."""

        def query(connection: Connection) -> DagDetail:
            found = _NEWEST.where(dags.c.team_id == team_id, dags.c.name == dag)
            row = connection.execute(found).one_or_none()
            if row is None:
                raise _absent(dag)
            schedule = connection.execute(select(schedules).where(schedules.c.dag_id == row.id)).one_or_none()
            shown = None if schedule is None else standing(schedule, with_upcoming=True)
            return _detail(*row[:-1], schedule=shown)

        return await self._database.read(query)

    async def has_bundle(self, team_id: str, sha256: str) -> bool:
        """Return whether it was sent before; see the port."""
        query = select(bundles.c.sha256).where(bundles.c.team_id == team_id, bundles.c.sha256 == sha256)
        return await self._database.read(lambda c: c.execute(query).one_or_none() is not None)

    async def add_bundle(self, team_id: str, sha256: str, *, size: int, by: By) -> None:
        """Note a stored bundle; see the port."""

        def operation(tx: Transaction) -> None:
            row = {"team_id": team_id, "sha256": sha256, "size": size, "created_at": by.at}
            if insert_unless_there(tx, bundles, row):
                sql_audit.record(
                    tx,
                    at=by.at,
                    actor=by.actor,
                    address=by.address,
                    action="bundle.sent",
                    object=sha256,
                    team_id=team_id,
                    detail={"size": size},
                )

        await self._database.write(operation)


def _deploy(tx: Transaction, new: NewVersion, now: float, *, start_paused: bool) -> DeployedDag:
    manifest = new.manifest
    encoded = manifest.model_dump_json()
    digest = hashlib.sha256(encoded.encode()).hexdigest()
    _check_sent(tx, new.team_id, manifest)
    tx.run(_CREATE_DAG, {"id": new.dag_id, "team": new.team_id, "name": manifest.dag})
    dag = tx.run(_LOCK_DAG, {"team": new.team_id, "name": manifest.dag}).one()
    dag_id, current = str(dag.id), int(dag.version)
    newest = tx.run(
        select(dag_versions.c.manifest_sha256, dag_versions.c.signature).where(
            dag_versions.c.dag_id == dag_id, dag_versions.c.version == current
        )
    ).one_or_none()
    # When it was signed counts at sites that want young signatures: signing again makes a version.
    if newest and newest.manifest_sha256 == digest and new.signature in (None, newest.signature):
        return DeployedDag(dag=manifest.dag, version=current, unchanged=True, bundle=manifest.bundle)
    tx.run(
        dag_versions.insert().values(
            id=new.version_id,
            dag_id=dag_id,
            version=current + 1,
            manifest=encoded,
            manifest_sha256=digest,
            signature=new.signature,
            created_at=now,
            created_by=new.created_by,
        )
    )
    tx.run(_SET_VERSION, {"id": dag_id, "version": current + 1, "days": manifest.retention_days})
    sql_assets.declare(tx, team_id=new.team_id, dag_id=dag_id, manifest=manifest, now=now)
    sql_schedules.declare(tx, team_id=new.team_id, dag_id=dag_id, manifest=manifest, now=now, paused=start_paused)
    sql_audit.record(
        tx,
        at=now,
        actor=new.created_by,
        address=new.address,
        action="dag.deployed",
        object=manifest.dag,
        team_id=new.team_id,
        detail={"version": current + 1, "manifest_sha256": digest, "bundle": manifest.bundle} | _signer(new.signature),
    )
    return DeployedDag(dag=manifest.dag, version=current + 1, bundle=manifest.bundle)


def _check_sent(tx: Transaction, team_id: str, manifest: Manifest) -> None:
    """What a manifest names by its hash must be there before it.

    Raises:
        ConflictError: if something is not.
    """
    named = {wheel.sha256: f"the wheel {wheel.name}" for wheel in manifest.wheels}
    if manifest.bundle is not None:
        named[manifest.bundle] = "a bundle"
    query = select(bundles.c.sha256).where(bundles.c.team_id == team_id, bundles.c.sha256.in_(list(named)))
    sent = set(tx.run(query).scalars()) if named else set[str]()
    for sha256, what in named.items():
        if sha256 not in sent:
            raise ConflictError(f"the manifest names {what} that this team has not sent; send it first")


def _absent(dag: str) -> NotFoundError:
    return NotFoundError(f"there is no DAG {dag!r} in this team; deploy it first: leasehold deploy FILE")


def _facts(signature: str | None) -> SignatureFacts | None:
    return None if signature is None else signature_facts(signature)


def _signer(signature: str | None) -> dict[str, str]:
    facts = _facts(signature)
    return {} if facts is None else {"signed_by": facts.key}


def _detail(
    name: str,
    version: int,
    manifest: str,
    created_at: float,
    created_by: str,
    signature: str | None,
    *,
    schedule: ScheduleStanding | None,
) -> DagDetail:
    parsed = Manifest.model_validate_json(manifest)
    return DagDetail(
        dag=name,
        version=version,
        description=parsed.description,
        tasks=len(parsed.tasks),
        deployed_at=instant(created_at),
        deployed_by=created_by,
        signed=_facts(signature),
        manifest=parsed,
        schedule=schedule,
    )
