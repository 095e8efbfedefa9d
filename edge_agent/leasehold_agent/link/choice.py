"""Pull or push: which way leases come, by the site's setting and by whether streams get through."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.health.reasons import Name
from leasehold_agent.link.passage import Passage
from leasehold_agent.link.port import Way
from leasehold_protocol.v1.agents import HelloAnswer

Wish = Literal["auto", "pull", "push"]


class Choice:
    """Picks the way. ``make_push`` is called when a stream is first wanted: most agents never need its code."""

    def __init__(
        self,
        wish: Wish,
        pull: Way,
        make_push: Callable[[Passage], Way],
        roster: Roster,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wish = wish
        self._pull = pull
        self._make_push = make_push
        self._push: Way | None = None
        self._roster = roster
        self._clock = clock
        self._passage = Passage()
        self._site_is_trusted = False
        self.in_use: Way = pull

    @property
    def is_push(self) -> bool:
        """Leases come on a stream at the moment."""
        return self.in_use is not self._pull

    def greeted(self, answer: HelloAnswer) -> None:
        """Take what the API says of the site: ``auto`` means push where it is trusted."""
        self._site_is_trusted = answer.trusted

    def way(self, *, is_settled: bool) -> Way:
        """Return the way to take now."""
        wants_push = self._wish == "push" or (self._wish == "auto" and self._site_is_trusted)
        may_stream = wants_push and is_settled and self._passage.is_open(self._clock())
        if may_stream and self._push is None:
            self._push = self._make_push(self._passage)
        self._tell()
        was, self.in_use = self.in_use, self._push if may_stream and self._push is not None else self._pull
        if self.in_use is not was:
            self._roster.stir()
        return self.in_use

    def _tell(self) -> None:
        """Let it be known, where a stream is wished for, why there is none."""
        if self._passage.why is None:
            self._roster.resume(Name.STREAM)
        else:
            self._roster.note(Name.STREAM, f"stream: {self._passage.why}")
