"""Everything sealed that the database has, for the commands about key-encryption keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Engine, Table, func, inspect, select, update

from leasehold_api import clock
from leasehold_api.context.connections import identity as connection_identity
from leasehold_api.context.rewrapping import SealedKind, SealedRow
from leasehold_api.context.variables import identity as variable_identity
from leasehold_api.oauth.tokens.keys import identity as signing_key_identity
from leasehold_api.storage import sql_audit
from leasehold_api.storage.tables import connections, signing_keys, variables
from leasehold_api.storage.writer import Transaction

BATCH = 200
"""Rows per transaction: short enough that the API's own writes hardly wait."""


@dataclass(frozen=True, slots=True)
class _Home:
    table: Table
    sealed: Column[bytes]
    place: ColumnElement[str]
    identity: Callable[[Any], str]


# A team's id has no slash, so that a place belongs to one variable only.
_HOMES = {
    SealedKind.CONNECTION: _Home(
        connections,
        connections.c.sealed,
        connections.c.id,
        lambda row: connection_identity(row.team_id, row.name),
    ),
    SealedKind.VARIABLE: _Home(
        variables,
        variables.c.sealed,
        variables.c.team_id + "/" + variables.c.key,
        lambda row: variable_identity(row.team_id, row.key),
    ),
    SealedKind.SIGNING_KEY: _Home(
        signing_keys,
        signing_keys.c.sealed_private_jwk,
        signing_keys.c.kid,
        lambda row: signing_key_identity(row.kid),
    ),
}


class SqlSealedRows:
    """Implements ``leasehold_api.context.rewrapping.SealedRows``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def is_there(self) -> bool:
        """Say whether the database has the tables at all."""
        return {home.table.name for home in _HOMES.values()} <= set(inspect(self._engine).get_table_names())

    def count(self) -> int:
        """Return how many sealed values there are."""
        with self._engine.connect().execution_options(read_only=True) as connection:
            return sum(
                connection.execute(select(func.count()).select_from(home.table)).scalar_one()
                for home in _HOMES.values()
            )

    def after(self, kind: SealedKind, place: str | None) -> list[SealedRow]:
        """Return the next rows; see the port."""
        home = _HOMES[kind]
        query = select(home.table, home.place.label("place")).order_by(home.place).limit(BATCH)
        if place is not None:
            query = query.where(home.place > place)
        with self._engine.connect().execution_options(read_only=True) as connection:
            return [
                SealedRow(
                    kind=kind, place=row.place, identity=home.identity(row), sealed=getattr(row, home.sealed.name)
                )
                for row in connection.execute(query)
            ]

    def replace(self, changed: list[tuple[SealedRow, bytes]], *, kek_id: str) -> int:
        """Set new sealed values; see the port."""
        with self._engine.begin() as connection:
            replaced = 0
            for row, sealed in changed:
                home = _HOMES[row.kind]
                # Compared and set: what somebody else wrote meanwhile is newer, and stays.
                statement = (
                    update(home.table)
                    .where(home.place == row.place, home.sealed == row.sealed)
                    .values({home.sealed: sealed})
                )
                replaced += connection.execute(statement).rowcount
            _record(connection, "kek.rewrapped", kek_id, {"values": replaced})
        return replaced

    def record(self, action: str, kek_id: str) -> None:
        """Audit what was done to a key."""
        with self._engine.begin() as connection:
            _record(connection, action, kek_id, None)


def _record(connection: Any, action: str, kek_id: str, detail: dict[str, Any] | None) -> None:
    sql_audit.record(
        Transaction(connection),
        at=clock.now(),
        actor="leasehold-api keys",
        action=action,
        object=kek_id,
        detail=detail,
    )
