"""Looks for newer versions now and then, as far as the operator wants that, and tells what there is to know."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.clock import boottime
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.health.reasons import Name
from leasehold_agent.installing.versions import Versions
from leasehold_agent.settings_in_force import SettingsInForce
from leasehold_agent.updating.place import StartedAs, find_root, own_program
from leasehold_agent.updating.succession import Succession
from leasehold_agent.updating.trial import Trial

_FIRST_S = (60.0, 600.0)
"""The first look comes some minutes after the start, at random: a site's agents are often started together."""
_CHECK_S, _INSTALL_S = 300.0, 3600.0
_WORTH_TELLING = (Exit.UNTRUSTED, Exit.UPDATE, Exit.USAGE)
"""How the command ends when a person should know; a repository that is away or not there is nobody's worry."""
_ENDING = (Name.DRAINING, Name.ONCE)
"""The next version would not know that it was told to end."""
logger = logging.getLogger(__name__)


class AskError(Exception):
    """The command did not succeed; the text is its cause."""

    def __init__(self, code: int, cause: str) -> None:
        super().__init__(cause)
        self.code = code


Ask = Callable[[Sequence[str], float], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of versions at this moment."""

    running: str
    trial: Trial | None = None
    newer: str | None = None
    """What the repository has, when it should replace what runs."""
    trouble: str | None = None
    is_current: bool = True
    """What starts the agent starts this version."""
    manager: str | None = None
    """The package manager that brings versions here (``apt``); none: ``edge-agent update`` does."""

    def told(self) -> str | None:
        """Return what the operator should know; none when all is as it should be. Pure."""
        trial = self.trial
        has_failed = trial is not None and trial.state == "failed" and trial.version != self.running
        if trial is not None and has_failed and self.newer in (None, trial.version):
            when = datetime.fromtimestamp(trial.began, UTC)
            return (
                f"update: version {trial.version} was tried on {when:%Y-%m-%d %H:%M} UTC and given up: {trial.why}; "
                f"{self.running} goes on"
            )
        if trial is not None and trial.version == self.running and trial.why and not self.is_current:
            return f"update: {self.running} runs, but {trial.prefix}/current does not lead to it: {trial.why}"
        if self.trouble is not None:
            return f"update: {self.trouble}"
        how = "edge-agent update" if self.manager is None else f"{self.manager} brings it"
        return None if self.newer is None else f"update: version {self.newer} is there ({how})"


class UpdateWatch:
    """What the agent itself does about updates. What needs much memory is done by a command in a process of its own."""

    def __init__(
        self,
        settings: SettingsInForce,
        roster: Roster,
        succession: Succession,
        *,
        version: str,
        ask: Ask | None,
        is_connected: Callable[[], bool],
        manager: str | None = None,
    ) -> None:
        self._settings = settings
        self._roster = roster
        self._succession = succession
        self._known = Known(running=version, manager=manager)
        self._ask = ask
        self._next_at = boottime() + min(random.uniform(*_FIRST_S), settings.now.update_every_s)  # noqa: S311 - no secret
        self._is_connected = is_connected

    def begin(self) -> None:
        """Take in what became of the last trial."""
        self._succession.recall()
        self._tell()

    async def begin_trial(self, version: str) -> Trial:
        """Let an installed version take over.

        Raises:
            OperatorError: it can't be tried now.
        """
        if any(reason.name in _ENDING for reason in self._roster.reasons):
            raise OperatorError(
                Exit.UPDATE, "This agent ends when its work is done.", "Start it again, then run edge-agent update."
            )
        ready_s = self._settings.now.update_ready_s
        return await self._succession.begin(version, ready_s=ready_s, is_connected=self._is_connected())

    def told_to_stop(self) -> None:
        """The agent is ended by force."""
        self._succession.told_to_stop()

    async def look(self) -> None:
        """Do what is due."""
        self._succession.reap()
        if self._ask is not None and self._settings.now.update != "off" and boottime() >= self._next_at:
            self._next_at = boottime() + self._settings.now.update_every_s
            await self.check(self._ask)
        self._tell()

    async def check(self, ask: Ask) -> None:
        """Ask the repository, and install what it has, if that is wanted."""
        newer: str | None = None
        trouble: str | None = None
        try:
            found = await ask(["--check"], _CHECK_S)
            newer = str(found["available"]) if found["wanted"] else None
            installs = self._settings.now.update == "install" and self._known.manager is None
            if newer is not None and installs and not self._has_failed(newer):
                await ask(["--no-start", "--to", newer], _INSTALL_S)
                await self.begin_trial(newer)
        except AskError as error:
            logger.info("no update", extra={"why": str(error)})
            trouble = str(error) if error.code in _WORTH_TELLING else None
        except OperatorError as error:
            trouble = error.cause
        self._known = replace(self._known, newer=newer, trouble=trouble)

    def _has_failed(self, version: str) -> bool:
        trial = self._succession.file.read()
        return trial is not None and trial.version == version and trial.state == "failed"

    def _tell(self) -> None:
        trial = self._succession.file.read()
        is_current = trial is None or Versions(Path(trial.prefix)).installed().current == self._known.running
        if (text := replace(self._known, trial=trial, is_current=is_current).told()) is None:
            self._roster.resume(Name.UPDATE)
        else:
            self._roster.note(Name.UPDATE, text)


def asking(settings: SettingsInForce, versions: Versions | None, *, version: str, started_as: StartedAs) -> Ask | None:
    """Return what asks the repository by ``edge-agent update``; none where that could not work here."""
    program = own_program(versions, version)
    if versions is None or program is None or find_root(settings.now, versions) is None:
        return None

    async def ask(words: Sequence[str], patience_s: float) -> dict[str, Any]:
        flags = ["--state-dir", str(settings.now.state_dir), *_private_authorities(settings.now.ca_file)]
        return await _run([str(program), "update", *words, "--json", *flags], started_as, patience_s)

    return ask


def _private_authorities(ca_file: Path | None) -> list[str]:
    return [] if ca_file is None else ["--ca-file", str(ca_file)]


async def _run(command: Sequence[str], started_as: StartedAs, patience_s: float) -> dict[str, Any]:
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(started_as.environ),
    )
    try:
        async with asyncio.timeout(patience_s):
            out, err = await process.communicate()
    except TimeoutError:
        raise AskError(Exit.UNREACHABLE, f"no end after {time.monotonic() - began:.0f} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        cause = err.decode(errors="replace").partition("\n")[0].removeprefix("edge-agent: ")
        raise AskError(process.returncode, cause.rstrip(".") or "the command failed")
    answer = json.loads(out)
    return answer if isinstance(answer, dict) else {}
