"""Variables: JSON values of a team, sealed; a task reads and writes those that it declared."""

from __future__ import annotations

import json

from leasehold_api.acting import By, Slice, Team
from leasehold_api.callers import TaskCaller
from leasehold_api.clock import instant
from leasehold_api.context.entitlement import Verdict, refusal
from leasehold_api.context.references import escaped, references_in, replaced
from leasehold_api.context.resolving import References, malformed
from leasehold_api.context.sealing import Seals
from leasehold_api.context.store import SealedVariable, VariableStore
from leasehold_api.errors import ForbiddenError, InvalidRequestError
from leasehold_protocol.v1.context import VariableKeys, VariableValue
from leasehold_protocol.v1.fleet import VariableList, VariableSummary
from leasehold_protocol.v1.message import Json


class Variables:
    """What people and tasks do with variables."""

    def __init__(self, store: VariableStore, sealer: Seals, references: References) -> None:
        self._store = store
        self._references = references
        self._sealer = sealer

    async def list(self, team: Team, part: Slice, *, with_values: bool) -> VariableList:
        """Return the team's variables by key."""
        found = await self._store.list(team, part)
        following = found[-1].key if found and len(found) >= part.limit else None
        items = [self._summary(variable, team, with_values=with_values) for variable in found]
        return VariableList(items=items, next=following)

    async def get(self, team: Team, key: str, *, with_values: bool) -> VariableSummary:
        """Return a variable.

        Raises:
            NotFoundError: if the team has none of that key.
        """
        return self._summary(await self._store.get(team, key), team, with_values=with_values)

    async def put(
        self, team: Team, key: str, value: Json, *, may_refer: bool, by: By, description: str | None = None
    ) -> tuple[VariableSummary, bool]:
        """Set a variable; return it without its value, and whether it is new.

        Raises:
            ForbiddenError: if it has a secret reference and the caller may set none.
            InvalidRequestError: if a secret reference says no place.
        """
        if not may_refer and any(references_in(value)):
            raise ForbiddenError(
                "a secret reference takes an admin of the team to set; a plain text that begins like one (env:, file:, "
                "vault:, aws-sm:) gets a backslash in front of it"
            )
        if wrong := malformed(value):
            raise InvalidRequestError(wrong)
        is_new = await self._store.put(team, key, self._seal(team.id, key, value), by=by, description=description)
        summary = VariableSummary(
            key=key, team=team.name, updated_at=instant(by.at), updated_by=by.actor, description=description
        )
        return summary, is_new

    async def delete(self, team: Team, key: str, *, by: By) -> None:
        """Remove a variable.

        Raises:
            NotFoundError: if the team has none of that key.
        """
        await self._store.delete(team, key, by=by)

    async def read(self, reader: TaskCaller, key: str, *, now: float) -> VariableValue:
        """Return a variable to the task that declared it.

        Raises:
            LeaseLostError: the attempt must stop.
            ApiError: not_declared or not_found, saying what to add where; not_granted: it refers to nothing there.
            UnavailableError: what it refers to can't be looked up now.
        """
        answered = await self._store.read_for_task(reader, key, now=now)
        if answered.sealed is None:
            raise refusal(answered.verdict, kind="variable", name=key, task=reader.task)
        value = self._open(reader.team_id, key, answered.sealed)
        given, secrets = await self._references.resolved(reader, value, kind="variable", name=key, now=now)
        return VariableValue(key=key, value=given, secrets=secrets)

    async def keys(self, reader: TaskCaller, prefix: str, part: Slice, *, now: float) -> VariableKeys:
        """Return the keys of variables that there are, of those that the task declared.

        Raises:
            LeaseLostError: the attempt must stop.
            ApiError: not_declared: it declared none.
        """
        answered = await self._store.keys_for_task(reader, prefix, part, now=now)
        if answered.verdict is not Verdict.GIVEN:
            raise refusal(answered.verdict, kind="variable", name=f"{prefix}*", task=reader.task)
        following = answered.keys[-1] if len(answered.keys) >= part.limit else None
        return VariableKeys(items=answered.keys, next=following)

    async def write(
        self, reader: TaskCaller, key: str, value: Json, *, now: float, description: str | None = None
    ) -> None:
        """Set a variable for the task that declared it. What it writes is never a reference: it could read anything.

        Raises:
            LeaseLostError: the attempt must stop.
            ApiError: not_declared.
        """
        sealed = self._seal(reader.team_id, key, replaced(value, escaped))
        await self._write(reader, key, sealed, now=now, description=description)

    async def remove(self, reader: TaskCaller, key: str, *, now: float) -> None:
        """Remove a variable for the task that declared it.

        Raises:
            LeaseLostError: the attempt must stop.
            ApiError: not_declared or not_found.
        """
        await self._write(reader, key, None, now=now)

    async def _write(
        self, reader: TaskCaller, key: str, sealed: bytes | None, *, now: float, description: str | None = None
    ) -> None:
        answered = await self._store.write_for_task(reader, key, sealed, now=now, description=description)
        if answered.verdict is not Verdict.GIVEN:
            raise refusal(answered.verdict, kind="variable", name=key, task=reader.task)

    def _summary(self, variable: SealedVariable, team: Team, *, with_values: bool) -> VariableSummary:
        return VariableSummary(
            key=variable.key,
            team=team.name,
            value=self._open(team.id, variable.key, variable.sealed) if with_values else None,
            updated_at=instant(variable.updated_at),
            updated_by=variable.updated_by,
            description=variable.description,
        )

    def _seal(self, team_id: str, key: str, value: Json) -> bytes:
        return self._sealer.seal(json.dumps(value).encode(), identity=identity(team_id, key))

    def _open(self, team_id: str, key: str, sealed: bytes) -> Json:
        return json.loads(self._sealer.open(sealed, identity=identity(team_id, key)))


def identity(team_id: str, key: str) -> str:
    """Return what a variable's value is sealed for."""
    return f"variable:{team_id}:{key}"
