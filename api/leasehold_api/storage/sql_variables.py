"""The store of variables on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, delete, func, or_, select, update

from leasehold_api.acting import By, Slice, Team
from leasehold_api.callers import TaskCaller
from leasehold_api.context.entitlement import Facts, Verdict, declared_keys, judge, may_use
from leasehold_api.context.store import Answered, KeysAnswered, SealedVariable
from leasehold_api.errors import NotFoundError
from leasehold_api.storage import sql_audit, sql_entitlement
from leasehold_api.storage.conditional import insert_unless_there, rows_changed
from leasehold_api.storage.database import Database
from leasehold_api.storage.tables import variables
from leasehold_api.storage.writer import Transaction

_SEALED = select(variables.c.sealed).where(
    variables.c.team_id == bindparam("team"), variables.c.key == bindparam("key")
)


class SqlVariables:
    """Implements ``leasehold_api.context.store.VariableStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, team: Team, part: Slice) -> list[SealedVariable]:
        """Return the team's variables by key."""
        query = (
            select(variables)
            .where(variables.c.team_id == team.id, variables.c.key > (part.after or ""))
            .order_by(variables.c.key)
            .limit(part.limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_sealed(row) for row in rows]

    async def get(self, team: Team, key: str) -> SealedVariable:
        """Return a variable; see the port."""
        query = select(variables).where(variables.c.team_id == team.id, variables.c.key == key)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        if row is None:
            raise _no_such(team, key)
        return _sealed(row)

    async def put(self, team: Team, key: str, sealed: bytes, *, by: By, description: str | None = None) -> bool:
        """Set a variable; see the port."""

        def operation(tx: Transaction) -> bool:
            is_new = _put(tx, team.id, key, sealed, by=by, description=description)
            action = "variable.created" if is_new else "variable.changed"
            sql_audit.record(
                tx, at=by.at, actor=by.actor, address=by.address, action=action, object=key, team_id=team.id
            )
            return is_new

        return await self._database.write(operation)

    async def delete(self, team: Team, key: str, *, by: By) -> None:
        """Remove a variable; see the port."""

        def operation(tx: Transaction) -> None:
            if not _delete(tx, team.id, key):
                raise _no_such(team, key)
            sql_audit.record(
                tx, at=by.at, actor=by.actor, address=by.address, action="variable.deleted", object=key, team_id=team.id
            )

        await self._database.write(operation)

    async def read_for_task(self, reader: TaskCaller, key: str, *, now: float) -> Answered:
        """Judge and answer a task's request; see the port."""

        def operation(tx: Transaction) -> Answered:
            sealed = tx.run(_SEALED, {"team": reader.team_id, "key": key}).scalar()
            verdict = _judge(tx, reader, key, "read", exists=sealed is not None)
            sql_entitlement.record(tx, reader, action="variable.read", name=key, verdict=verdict, now=now)
            return Answered(verdict=verdict, sealed=sealed if verdict is Verdict.GIVEN else None)

        return await self._database.write(operation)

    async def keys_for_task(self, reader: TaskCaller, prefix: str, part: Slice, *, now: float) -> KeysAnswered:
        """Return the keys that a task may know of; see the port."""
        declared = declared_keys(reader.scopes, "read")
        exact = [key for key in declared if not key.endswith("*")]
        begins: list[ColumnElement[bool]] = [variables.c.key.in_(exact)]
        # substr, because LIKE takes small and capital letters for the same on SQLite.
        begins += [func.substr(variables.c.key, 1, len(key) - 1) == key[:-1] for key in declared if key.endswith("*")]
        query = (
            select(variables.c.key)
            .where(variables.c.team_id == reader.team_id, variables.c.key > (part.after or ""), or_(*begins))
            .where(func.substr(variables.c.key, 1, len(prefix)) == prefix)
            .order_by(variables.c.key)
            .limit(part.limit)
        )

        def operation(tx: Transaction) -> KeysAnswered:
            lease_runs = sql_entitlement.lease_runs(tx, reader)
            facts = Facts(lease_runs=lease_runs, in_scope=bool(declared), declared=bool(declared), exists=True)
            verdict = judge(facts)
            sql_entitlement.record(tx, reader, action="variable.listed", name=f"{prefix}*", verdict=verdict, now=now)
            keys = tx.run(query).scalars().all() if verdict is Verdict.GIVEN else []
            return KeysAnswered(verdict=verdict, keys=list(keys))

        return await self._database.write(operation)

    async def write_for_task(
        self, reader: TaskCaller, key: str, sealed: bytes | None, *, now: float, description: str | None = None
    ) -> Answered:
        """Set or remove a variable for a task; see the port."""

        def operation(tx: Transaction) -> Answered:
            verdict = _judge(tx, reader, key, "write", exists=True)
            if verdict is Verdict.GIVEN and sealed is not None:
                by = By(actor=f"task:{reader.dag}.{reader.task}", at=now)
                _put(tx, reader.team_id, key, sealed, by=by, description=description)
            elif verdict is Verdict.GIVEN and not _delete(tx, reader.team_id, key):
                verdict = Verdict.NOT_FOUND
            action = "variable.changed" if sealed is not None else "variable.deleted"
            sql_entitlement.record(tx, reader, action=action, name=key, verdict=verdict, now=now)
            return Answered(verdict=verdict)

        return await self._database.write(operation)


def _sealed(row: Row[Any]) -> SealedVariable:
    return SealedVariable(
        key=row.key,
        sealed=row.sealed,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        description=row.description,
    )


def _judge(tx: Transaction, reader: TaskCaller, key: str, action: str, *, exists: bool) -> Verdict:
    in_scope = may_use(reader.scopes, key, action)
    return judge(
        Facts(
            lease_runs=sql_entitlement.lease_runs(tx, reader),
            in_scope=in_scope,
            # Every declared variable is in the token's scopes, so there is nothing more to look up.
            declared=in_scope,
            exists=exists,
        )
    )


def _put(tx: Transaction, team_id: str, key: str, sealed: bytes, *, by: By, description: str | None) -> bool:
    values = {"sealed": sealed, "updated_at": by.at, "updated_by": by.actor}
    if description is not None:
        values["description"] = description
    row = {"team_id": team_id, "key": key, **values}
    if insert_unless_there(tx, variables, row):
        return True
    tx.run(update(variables).where(variables.c.team_id == team_id, variables.c.key == key).values(values))
    return False


def _delete(tx: Transaction, team_id: str, key: str) -> bool:
    return rows_changed(tx, delete(variables).where(variables.c.team_id == team_id, variables.c.key == key)) == 1


def _no_such(team: Team, key: str) -> NotFoundError:
    return NotFoundError(f"team {team.name} has no variable {key}")
