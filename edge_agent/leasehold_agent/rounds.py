"""Jobs that come round again and again, on a clock that never jumps.

A scheduler that goes by the wall clock would let the leases run out when a site's clock is set back by an hour.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

Job = Callable[[], Awaitable[None]]
logger = logging.getLogger(__name__)


class Rounds:
    """Runs each job so often, never twice at once. What goes wrong with a run is logged, and the next one comes."""

    def __init__(self, jobs: Sequence[tuple[Job, float]]) -> None:
        self._jobs = jobs
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin, in the running event loop; the first round is one interval away."""
        for job, every_s in self._jobs:
            self._spawn(_repeat(job, every_s))

    def soon(self, job: Job) -> None:
        """Run a job once, now."""
        self._spawn(_once(job))

    def stop(self) -> None:
        """End the rounds, also in the middle of a job."""
        for task in self._tasks:
            task.cancel()

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _repeat(job: Job, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        await _once(job)


async def _once(job: Job) -> None:
    try:
        await job()
    except Exception:  # a defect of ours in one chore must not end the others
        logger.exception("a chore failed")
