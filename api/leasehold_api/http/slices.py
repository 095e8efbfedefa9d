"""``after`` and ``limit`` of lists, and who does what in a team."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from leasehold_api import clock
from leasehold_api.acting import By, Slice, Team
from leasehold_api.callers import TeamCaller


def _part(
    after: Annotated[str | None, Query(max_length=300, description="`next` of the part before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Slice:
    return Slice(after=after, limit=limit)


Part = Annotated[Slice, Depends(_part)]


def team_of(caller: TeamCaller) -> Team:
    """Return the team that the caller was let into."""
    return Team(id=caller.team_id, name=caller.team)


def done_by(caller: TeamCaller) -> By:
    """Return who does something, now, and from where."""
    return By(actor=caller.actor, at=clock.now(), address=caller.person.address)
