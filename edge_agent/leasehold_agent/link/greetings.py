"""When hello is to be said: once at the beginning, again when there is news, and twice when an answer was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from leasehold_agent.attempts.roster import Roster

SETTLED_AFTER_S = 4.0
"""After this long ``hello`` is said again when an answer was lost; the API leaves alone what is 3 s old or less."""


class Greetings:
    """What all ways of taking leases share: that they give way to hello."""

    def __init__(self, roster: Roster, clock: Callable[[], float]) -> None:
        self._roster = roster
        self._clock = clock
        self._again_at: float | None = None
        self._is_unsettled = False
        self._cut_short = asyncio.Event()
        self.is_due = asyncio.Event()
        self.is_due.set()

    def soon(self) -> None:
        """Say hello now: what is said there changed, and a request that waits must not hold that up."""
        self.is_due.set()
        self._cut_short.set()

    def answer_was_lost(self) -> None:
        """The answer that was lost may have had leases in it: ``hello`` tells the API that they are not here.

        It is said twice. The first frees what was given well before; the second, a little later, what was given at the
        last moment, or to a request that the API still had after we had given it up.
        """
        self._is_unsettled = True
        self.is_due.set()

    def begin(self) -> None:
        """Hello is about to be said."""
        self.is_due.clear()
        self._cut_short.clear()

    def failed(self) -> None:
        """Hello was not said."""
        self.is_due.set()

    def said(self) -> None:
        """Hello was said, and answered."""
        if self._is_unsettled:
            self._is_unsettled = False
            self._again_at = self._clock() + SETTLED_AFTER_S

    @property
    def is_settled(self) -> bool:
        """No second greeting is waited for."""
        return self._again_at is None

    def look(self) -> bool:
        """Return whether hello is due at this moment."""
        if self._again_at is not None and self._clock() >= self._again_at:
            self._again_at = None
            self.is_due.set()
        return self.is_due.is_set()

    def again_in_s(self) -> float | None:
        """Return the seconds until the second greeting; none when there is none to come."""
        return None if self._again_at is None else max(0.0, self._again_at - self._clock())

    async def unwanted(self, is_paused: Callable[[], bool]) -> None:
        """Wait until leases on their way would come too late: the agent ``is_paused``, or hello cannot wait."""
        cut_short = asyncio.ensure_future(self._cut_short.wait())
        try:
            while not (is_paused() or cut_short.done()):
                changed = asyncio.ensure_future(self._roster.changed())
                try:
                    await asyncio.wait([changed, cut_short], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    changed.cancel()
        finally:
            cut_short.cancel()
