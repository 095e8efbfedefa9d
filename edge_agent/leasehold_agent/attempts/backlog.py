"""What ended before this agent began: delivered many to a request where possible, else held a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from leasehold_agent.attempts.directory import AttemptDirectories, AttemptDirectory
from leasehold_agent.attempts.roster import Held, Roster, Waiting
from leasehold_agent.health.reasons import Name
from leasehold_protocol.v1.agents import AttemptState

MOST_FOUND = 64
"""Attempts that are attended to one by one at a time: memory does not grow with an outage."""
PER_REQUEST = 128
"""Attempts that are read, and sent in one request, at a time."""
_GROUPS = 4
"""While one is on the wire, others are read or removed: removing waits for the disk longer than anything else."""


class LetterBox(Protocol):
    """What is needed of ``delivery.delivery.Delivery``."""

    async def wait_until_greeted(self) -> None:
        """Wait until the API knows what is on this disk, and said what it wants of it."""
        ...

    async def deliver_whole(self, ended: list[AttemptDirectory]) -> list[AttemptDirectory]:
        """Deliver those that fit whole into one request and remove them; return the others, to be held one by one."""
        ...


class Backlog:
    """Works off ``roster.backlog``, oldest first, before any new work is taken."""

    def __init__(
        self,
        directories: AttemptDirectories,
        roster: Roster,
        letters: LetterBox,
        adopt: Callable[[AttemptDirectory, AttemptState], Held],
    ) -> None:
        self._directories = directories
        self._roster = roster
        self._letters = letters
        self._adopt = adopt

    async def work_off(self) -> None:
        """Deliver all of it, however long that takes."""
        if waiting := len(self._roster.backlog):
            # Their leases may be over and their tasks queued again: nobody shall do again what only waits to be told.
            self._roster.pause(Name.BACKLOG, f"backlog: {waiting} attempts that ended earlier are delivered first")
        async with asyncio.TaskGroup() as groups:
            for _ in range(_GROUPS):
                groups.create_task(self._work_off_in_groups())
        while any(held.found and held.has_ended.is_set() and not held.outcome_is_in for held in self._roster.held):
            await self._roster.changed()
        self._roster.resume(Name.BACKLOG)

    async def _work_off_in_groups(self) -> None:
        await self._letters.wait_until_greeted()
        while taken := self._roster.take_waiting(PER_REQUEST):
            ended = [self._directories.of(one.attempt) for one in taken if self._is_only_undelivered(one)]
            left = {directory.attempt for directory in await self._letters.deliver_whole(ended)}
            left |= {one.attempt for one in taken} - {directory.attempt for directory in ended}
            self._roster.let_go([one for one in taken if one.attempt not in left])
            for one in taken:
                if one.attempt in left:
                    await self._hold_in_turn(one)

    def _is_only_undelivered(self, one: Waiting) -> bool:
        return one.state is AttemptState.ENDED and one.attempt not in self._roster.unwanted

    async def _hold_in_turn(self, one: Waiting) -> None:
        """Hold what is more than a letter, or lost, or unwanted, once fewer than ``MOST_FOUND`` are held."""
        while sum(held.found is not None for held in self._roster.held) >= MOST_FOUND:
            await self._roster.changed()
        held = self._adopt(self._directories.of(one.attempt), one.state)
        held.is_unwanted = one.attempt in self._roster.unwanted
        self._roster.let_go([one])
