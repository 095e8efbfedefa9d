"""The old version's side of a trial: it records what is tried, sets a guard, and lets the new version have its process.

The process stays the same, so the service manager, a container and a terminal see nothing of it, and running attempts
go on below their hosts as they do whenever an agent ends. ``current`` is not touched: until the new version has proved
itself, whatever starts the agent starts the old one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.fault_points import reach
from leasehold_agent.installing.versions import PROGRAM, VersionRefusedError, Versions
from leasehold_agent.updating import MARK
from leasehold_agent.updating.guard import ALONE, SUPERVISED
from leasehold_agent.updating.place import StartedAs, own_program
from leasehold_agent.updating.proving import Proving
from leasehold_agent.updating.trial import Trial, TrialFile

LAST_WORD_S = 0.2
"""How long the old version stays, so that its answer reaches whoever asked."""
_GUARD_STARTS_S = 30.0
logger = logging.getLogger(__name__)


class Succession:
    """Lets another version take over.

    Args:
        leave: called last; what it lets go would otherwise be held by a process that does not know it.
    """

    def __init__(
        self,
        state_dir: Path,
        versions: Versions | None,
        *,
        version: str,
        started_as: StartedAs,
        proving: Proving | None,
        leave: Callable[[], Awaitable[None]],
    ) -> None:
        self.file = TrialFile.of(state_dir)
        self._versions = versions
        self._version = version
        self._started_as = started_as
        self._proving = proving
        self._leave = leave
        self._going: asyncio.Task[None] | None = None
        self._inherited = _children() if proving is not None else set[int]()

    def recall(self) -> None:
        """Settle a trial that nobody saw the end of: it was a crash, or the machine went down."""
        trial = self.file.read()
        if trial is None or trial.state != "trying" or trial.pid == os.getpid():
            return
        # If it is this version that was tried, current led here: it was ready, and only could not say so any more.
        is_this = trial.version == self._version
        end = trial.proven(why_not_current=None) if is_this else trial.given_up("it ended before it was ready")
        try:
            self.file.write(end)
        except OSError as error:
            logger.warning("the last trial's end can't be recorded", extra={"error": str(error)})

    async def begin(self, version: str, *, ready_s: float, is_connected: bool) -> Trial:
        """Set everything up for ``version`` to take over, a moment after this returns.

        Raises:
            OperatorError: it can't be tried now; nothing has changed.
        """
        versions, back = self._versions, own_program(self._versions, self._version)
        if versions is None or back is None:
            raise OperatorError(
                Exit.UPDATE, "This agent was not installed as versions side by side.", "Update it the way it came."
            )
        try:
            program = versions.tree(version) / PROGRAM
        except VersionRefusedError as error:
            raise OperatorError(Exit.USAGE, f"{error}.", "Name a version that is installed.") from error
        self._check(version, program, is_connected=is_connected)
        trial = Trial(
            version=version,
            back_version=self._version,
            back=str(back),
            prefix=str(versions.prefix),
            pid=os.getpid(),
            ready_s=ready_s,
            began=time.time(),
        )
        await asyncio.to_thread(self._prepare, trial)
        logger.warning("a new version takes over", extra={"version": version, "before": self._version})
        self._going = asyncio.create_task(self._give_way(trial, program))
        return trial

    def told_to_stop(self) -> None:
        """The agent is ended by force: should a trial be open, nobody shall start anything again."""
        if self._proving is not None:
            self._proving.stop()

    def reap(self) -> None:
        """Take note of the end of processes that the version before started, and that nobody else waits for."""
        for pid in list(self._inherited):
            try:
                has_ended = os.waitpid(pid, os.WNOHANG)[0] == pid
            except ChildProcessError:
                has_ended = True
            if has_ended:
                self._inherited.discard(pid)

    def _check(self, version: str, program: Path, *, is_connected: bool) -> None:
        if version == self._version:
            raise OperatorError(Exit.UPDATE, f"Version {version} runs already.", "There is nothing to do.")
        if not os.access(program, os.X_OK):
            raise OperatorError(Exit.NOT_FOUND, f"Version {version} is not installed.", "edge-agent update brings it.")
        if self._going is not None or (self._proving is not None and self._proving.is_open):
            raise OperatorError(Exit.IN_USE, "A version is being tried already.", "Wait: edge-agent status shows it.")
        if not is_connected:
            raise OperatorError(
                Exit.UNREACHABLE,
                "The API can't be reached, and a new version has to reach it to be kept.",
                "Try again when edge-agent status says connected.",
            )

    def _prepare(self, trial: Trial) -> None:
        try:
            self.file.write(trial)
            self._set_guard(trial)
        except (OSError, subprocess.SubprocessError) as error:
            self._give_up(trial, f"it could not be begun: {error}")

    def _set_guard(self, trial: Trial) -> None:
        manager = SUPERVISED if self._started_as.is_supervised else ALONE
        command = [trial.back, "update-guard", str(self.file.path), str(trial.pid), manager]
        subprocess.run(
            [*command, *self._started_as.arguments],
            env=dict(self._started_as.environ),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            timeout=_GUARD_STARTS_S,
            check=True,
        )

    async def _give_way(self, trial: Trial, program: Path) -> None:
        await asyncio.sleep(LAST_WORD_S)
        await self._leave()
        reach("agent.update.recorded.before-exec")
        environ = dict(self._started_as.environ) | {MARK: str(self.file.path)}
        try:
            # As a crash does: every file and lock of this process is closed, and what is on disk is made good.
            os.execve(program, [str(program), *self._started_as.arguments], environ)  # noqa: S606 - a program of ours
        except OSError as error:
            self._going = None
            self._give_up(trial, f"it can't be started: {error.strerror}")

    def _give_up(self, trial: Trial, why: str) -> NoReturn:
        self.file.write(trial.given_up(why))
        raise OperatorError(
            Exit.UPDATE, f"Version {trial.version} was not tried: {why}.", "The version that ran before still runs."
        )


def _children() -> set[int]:
    try:
        text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    except OSError:
        return set()
    return {int(pid) for pid in text.split()}
