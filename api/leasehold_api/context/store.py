"""Connections and variables as they are kept: sealed, with a public part for lists. The promise of the store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from leasehold_api.acting import By, Slice, Team
from leasehold_api.callers import TaskCaller
from leasehold_api.context.entitlement import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedConnection:
    """A connection as it is kept."""

    name: str
    conn_type: str
    public: str
    """JSON: what a list may show."""
    sealed: bytes = field(repr=False)
    sites: list[str]
    updated_at: float
    updated_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedVariable:
    """A variable as it is kept."""

    key: str
    sealed: bytes = field(repr=False)
    updated_at: float
    updated_by: str
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a task's request came to; ``sealed`` when it is given something to read."""

    verdict: Verdict
    sealed: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysAnswered:
    """What a task's request for the variables that there are came to."""

    verdict: Verdict
    keys: list[str]


class ConnectionStore(Protocol):
    """Connections of teams."""

    async def list(self, team: Team, part: Slice) -> list[SealedConnection]:
        """Return the team's connections by name."""
        ...

    async def get(self, team: Team, name: str) -> SealedConnection:
        """Return a connection.

        Raises:
            NotFoundError: if the team has none of that name.
        """
        ...

    async def put(self, team: Team, connection: SealedConnection, *, connection_id: str, by: By) -> bool:
        """Make a connection (with ``connection_id``) or change it, and who is granted it; say whether it is new.

        Raises:
            InvalidRequestError: if a site is not one of the team's.
        """
        ...

    async def delete(self, team: Team, name: str, *, by: By) -> None:
        """Remove a connection. Tasks that need it wait from now on.

        Raises:
            NotFoundError: if the team has none of that name.
        """
        ...

    async def read_for_task(self, reader: TaskCaller, name: str, *, now: float) -> Answered:
        """Judge and answer a task's request in one transaction, and audit it."""
        ...


class VariableStore(Protocol):
    """Variables of teams."""

    async def list(self, team: Team, part: Slice) -> list[SealedVariable]:
        """Return the team's variables by key."""
        ...

    async def get(self, team: Team, key: str) -> SealedVariable:
        """Return a variable.

        Raises:
            NotFoundError: if the team has none of that key.
        """
        ...

    async def put(self, team: Team, key: str, sealed: bytes, *, by: By, description: str | None = None) -> bool:
        """Set a variable; say whether it is new. Without a description the one that it had stays."""
        ...

    async def delete(self, team: Team, key: str, *, by: By) -> None:
        """Remove a variable.

        Raises:
            NotFoundError: if the team has none of that key.
        """
        ...

    async def read_for_task(self, reader: TaskCaller, key: str, *, now: float) -> Answered:
        """Judge and answer a task's request in one transaction, and audit it."""
        ...

    async def keys_for_task(self, reader: TaskCaller, prefix: str, part: Slice, *, now: float) -> KeysAnswered:
        """Return the keys there are that begin with ``prefix``, of those that the task declared; audited."""
        ...

    async def write_for_task(
        self, reader: TaskCaller, key: str, sealed: bytes | None, *, now: float, description: str | None = None
    ) -> Answered:
        """Judge a task's wish to set a variable (none: to remove it), and do it, in one transaction; audit it."""
        ...
