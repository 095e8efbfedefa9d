"""The new version's side of a trial: it proves that it works, or hands back to the version it took over from.

``current`` leads to a new version only when that has spoken with the API. Until then whatever ends it brings back the
old one: its own hand, the guard, a service manager, a power cut.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Generator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path

from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.fault_points import reach
from leasehold_agent.installing.versions import VersionRefusedError, Versions
from leasehold_agent.updating import MARK
from leasehold_agent.updating.place import StartedAs
from leasehold_agent.updating.trial import Trial, TrialFile

logger = logging.getLogger(__name__)


class Proving:
    """A trial that this process is in the middle of."""

    def __init__(self, file: TrialFile, trial: Trial) -> None:
        self._file = file
        self.trial = trial
        self.is_open = True
        """Neither ready nor given up."""

    @classmethod
    def take_from(cls, environ: MutableMapping[str, str]) -> Proving | None:
        """Return the trial that this process takes over in; none when it was started like any other day."""
        name = environ.pop(MARK, None)
        if name is None:
            return None
        file = TrialFile(Path(name))
        trial = file.read()
        is_ours = trial is not None and trial.state == "trying" and trial.pid == os.getpid()
        return cls(file, trial) if trial is not None and is_ours else None

    async def prove(self, ready: asyncio.Event, told_to_stop: asyncio.Event) -> None:
        """Wait until this version has spoken with the API, and let ``current`` lead to it.

        Raises:
            OperatorError: it took too long.
        """
        waits = [asyncio.ensure_future(event.wait()) for event in (ready, told_to_stop)]
        try:
            await asyncio.wait(waits, timeout=self.trial.ready_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if ready.is_set():
            await asyncio.to_thread(self._succeed)
        elif told_to_stop.is_set():
            self.stop()
        else:
            raise OperatorError(
                Exit.UPDATE,
                f"version {self.trial.version} has not reached the API within {self.trial.ready_s:.0f} s",
                "The version that ran before runs again.",
            )

    def stop(self) -> None:
        """Somebody ends the agent in the middle: that is no failure, and nobody shall start anything again."""
        if self.is_open:
            self.is_open = False
            self._note(self.trial.given_up("it was told to stop before it was ready"))

    @contextmanager
    def handing_back(self, started_as: StartedAs) -> Generator[None, None, None]:
        """Run the agent inside this: what it raises before it was ready lets the old version take this process over."""
        try:
            yield
        except BaseException as error:
            if self.is_open:
                self._hand_back(_words(error), started_as)
            raise
        self.stop()

    def _succeed(self) -> None:
        reach("agent.update.ready.before-flip")
        trial, why = self.trial, None
        try:
            Versions(Path(trial.prefix)).flip(trial.version)
        except (OSError, VersionRefusedError) as error:
            why = str(error)
            logger.warning("current does not lead to the new version yet", extra={"error": why})
        reach("agent.update.flipped.before-record")
        self.is_open = False
        self._note(trial.proven(why_not_current=why))
        logger.info("the update is done", extra={"version": trial.version, "before": trial.back_version})

    def _hand_back(self, why: str, started_as: StartedAs) -> None:
        logger.error("the new version gives up", extra={"version": self.trial.version, "why": why})
        self.is_open = False
        self._note(self.trial.given_up(why))
        lead_back(self.trial)
        with suppress(OSError):
            os.execve(self.trial.back, [self.trial.back, *started_as.arguments], dict(started_as.environ))  # noqa: S606 - a program of ours

    def _note(self, trial: Trial) -> None:
        try:
            self._file.write(trial)
        except OSError as error:
            logger.warning("the trial's end can't be recorded", extra={"error": str(error)})


def hand_back_before_it_began(why: str) -> None:
    """Hand back from a version that does not even get to run the agent; does nothing outside of a trial."""
    proving = Proving.take_from(os.environ)
    if proving is not None:
        with suppress(OperatorError), proving.handing_back(StartedAs.this_process()):
            raise OperatorError(Exit.USAGE, why, "The version that ran before runs again.")


def lead_back(trial: Trial) -> None:
    """Let ``current`` lead to the old version again, if it was flipped in the last moment before a crash."""
    versions = Versions(Path(trial.prefix))
    with suppress(OSError, VersionRefusedError):
        if versions.installed().current == trial.version:
            versions.flip(trial.back_version)


def _words(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OperatorError):
        return error.cause.rstrip(".")
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
