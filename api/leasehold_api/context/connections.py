"""Connections: sealed whole, with a public part for lists, opened only for a task that is entitled to them."""

from __future__ import annotations

import json

from leasehold_api.acting import By, Slice, Team
from leasehold_api.callers import TaskCaller
from leasehold_api.clock import instant
from leasehold_api.context.entitlement import refusal
from leasehold_api.context.references import references_in
from leasehold_api.context.resolving import References, malformed
from leasehold_api.context.sealing import Seals
from leasehold_api.context.store import ConnectionStore, SealedConnection
from leasehold_api.errors import InvalidRequestError
from leasehold_protocol.v1.context import ConnectionFields, ConnectionValue
from leasehold_protocol.v1.fleet import ConnectionList, ConnectionSummary, ConnectionWrite

_MAY_REFER = ("host", "login", "password", "schema", "extra")
"""The fields whose texts may be secret references."""


class Connections:
    """What people and tasks do with connections."""

    def __init__(self, store: ConnectionStore, sealer: Seals, references: References) -> None:
        self._store = store
        self._references = references
        self._sealer = sealer

    async def list(self, team: Team, part: Slice) -> ConnectionList:
        """Return the team's connections by name, without secrets."""
        found = await self._store.list(team, part)
        following = found[-1].name if found and len(found) >= part.limit else None
        return ConnectionList(items=[_summary(connection, team) for connection in found], next=following)

    async def get(self, team: Team, name: str) -> ConnectionSummary:
        """Return a connection without secrets.

        Raises:
            NotFoundError: if the team has none of that name.
        """
        return _summary(await self._store.get(team, name), team)

    async def put(
        self, team: Team, name: str, write: ConnectionWrite, *, connection_id: str, by: By
    ) -> tuple[ConnectionSummary, bool]:
        """Make a connection or replace it as a whole; return it without secrets, and whether it is new.

        Raises:
            InvalidRequestError: if a site is not one of the team's, or a secret reference says no place.
        """
        if wrong := malformed(write.model_dump(by_alias=True, exclude={"sites", "description"})):
            raise InvalidRequestError(wrong)
        fields = write.model_dump_json(by_alias=True, exclude={"sites"}).encode()
        connection = SealedConnection(
            name=name,
            conn_type=write.conn_type,
            public=_public_part(write),
            sealed=self._sealer.seal(fields, identity=identity(team.id, name)),
            sites=sorted(set(write.sites)),
            updated_at=by.at,
            updated_by=by.actor,
        )
        is_new = await self._store.put(team, connection, connection_id=connection_id, by=by)
        return _summary(connection, team), is_new

    async def delete(self, team: Team, name: str, *, by: By) -> None:
        """Remove a connection; tasks that need it wait from now on.

        Raises:
            NotFoundError: if the team has none of that name.
        """
        await self._store.delete(team, name, by=by)

    async def read(self, reader: TaskCaller, name: str, *, now: float) -> ConnectionValue:
        """Return a connection with its secrets to the task that is entitled to it.

        Raises:
            LeaseLostError: the attempt must stop.
            ApiError: not_declared, not_granted or not_found, saying what to add where.
            UnavailableError: what it refers to can't be looked up now.
        """
        answered = await self._store.read_for_task(reader, name, now=now)
        if answered.sealed is None:
            raise refusal(answered.verdict, kind="connection", name=name, task=reader.task)
        fields = json.loads(self._sealer.open(answered.sealed, identity=identity(reader.team_id, name)))
        may_refer = {field: fields.get(field) for field in _MAY_REFER}
        given, secrets = await self._references.resolved(reader, may_refer, kind="connection", name=name, now=now)
        return ConnectionValue.model_validate({**fields, **given, "id": name, "secrets": secrets})

    async def opened_for_service(self, team: Team, name: str) -> ConnectionFields:
        """Return a connection with its secrets for what the service itself does for a team.

        Raises:
            NotFoundError: if the team has none of that name.
            InvalidRequestError: if it refers to secrets that are kept elsewhere: those are given to tasks only.
        """
        found = await self._store.get(team, name)
        fields = json.loads(self._sealer.open(found.sealed, identity=identity(team.id, name)))
        if next(iter(references_in({field: fields.get(field) for field in _MAY_REFER})), None) is not None:
            raise InvalidRequestError(
                f"connection {name} refers to secrets kept elsewhere, which only tasks are given: set it with the "
                "secret itself"
            )
        return ConnectionFields.model_validate(fields)


def identity(team_id: str, name: str) -> str:
    """Return what a connection's secrets are sealed for."""
    return f"connection:{team_id}:{name}"


def _public_part(write: ConnectionWrite) -> str:
    public = {
        "host": write.host,
        "login": write.login,
        "port": write.port,
        "schema": write.schema_,
        "description": write.description,
        "has_password": write.password is not None,
        "extra_keys": sorted(write.extra),
    }
    return json.dumps(public, separators=(",", ":"))


def _summary(connection: SealedConnection, team: Team) -> ConnectionSummary:
    return ConnectionSummary.model_validate(
        {
            **json.loads(connection.public),
            "id": connection.name,
            "team": team.name,
            "conn_type": connection.conn_type,
            "sites": connection.sites,
            "updated_at": instant(connection.updated_at),
            "updated_by": connection.updated_by,
        }
    )
