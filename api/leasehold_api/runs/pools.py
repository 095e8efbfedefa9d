"""Pools: slots that a team's tasks share. The promises of their store."""

from __future__ import annotations

from typing import Protocol

from leasehold_api.acting import By, Slice, Team
from leasehold_protocol.v1.limits import Pool, PoolList, PoolWrite


class PoolStore(Protocol):
    """A team's pools."""

    async def list(self, team: Team, part: Slice) -> PoolList:
        """Return the pools by name, with how full they are."""
        ...

    async def get(self, team: Team, name: str) -> Pool:
        """Return a pool.

        Raises:
            NotFoundError: if the team has none of that name.
        """
        ...

    async def put(self, team: Team, name: str, write: PoolWrite, *, by: By) -> tuple[Pool, bool]:
        """Make a pool or change it; return it, and whether it is new. What waited for new slots is admitted at once.

        Fewer slots than are taken end nothing: nobody else is admitted until enough are given back.

        Raises:
            ConflictError: for ``default_pool``, which has no limit.
        """
        ...

    async def delete(self, team: Team, name: str, *, by: By) -> None:
        """Remove a pool.

        Raises:
            NotFoundError: if the team has none of that name.
            ConflictError: if task instances hold slots of it, or wait for some.
        """
        ...


class CeilingStore(Protocol):
    """How many task instances a team runs at once, at all its sites together."""

    async def put(self, team: str, max_running: int | None, *, by: By) -> None:
        """Set the ceiling of the team of this name; none: as many as its agents take.

        Raises:
            NotFoundError: if there is no such team.
        """
        ...
