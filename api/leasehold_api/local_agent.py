"""An agent beside the service (``serve --local-slots``): for work on this very machine, which is trusted with it.

It is an agent like any other: a process of its own, with its own key, that reaches the service by its address. The
service only makes its site, lets it in once, starts it again when it ends, and lets it finish first.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from leasehold_api import clock
from leasehold_api.acting import By, Team
from leasehold_api.errors import NotFoundError
from leasehold_api.fleet.bootstrap import DEFAULT_TEAM
from leasehold_api.http.house import House
from leasehold_api.opaque_tokens import mint
from leasehold_protocol.v1.fleet import EnrolmentTokenRequest, SiteWrite

PROGRAM = "edge-agent"
SITE = "local"
NOT_ENROLLED = 3
"""The exit code with which the agent says so."""
_ACTOR = "serve --local-slots"
_LONGEST_PAUSE_S = 30.0
# Should the service be killed, the kernel asks its agent to end: nobody else would. The request survives the exec.
_TIED = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); "
    "os.getppid() == int(sys.argv[1]) and os.execv(sys.argv[2], sys.argv[2:])"
)
log = logging.getLogger(__name__)


class NoProgramError(Exception):
    """There is no agent to start."""


def find_program() -> Path:
    """Return the agent's command: beside this interpreter, or on the path.

    Raises:
        NoProgramError: it is not installed.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(PROGRAM, path=path)
    if found is None:
        raise NoProgramError(
            f"local_slots needs the command {PROGRAM}, and it is not installed here: install leasehold-agent beside "
            "leasehold-api, or set local_slots to 0"
        )
    return Path(found)


class LocalAgent:
    """Keeps one agent running until it is asked to stop."""

    def __init__(self, house: House, program: Path) -> None:
        self._house = house
        self._program = program
        # An agent belongs to one address: with another one it is another agent.
        self._address = house.authority.issuer
        self._state_dir = house.settings.state_dir / "local-agent" / re.sub(r"\W+", "-", self._address)
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Keep it running; return once it was asked to stop and has ended."""
        pause_s = 0.5
        if not self._state_dir.exists():
            await self._enrol()
        while not self._stopping.is_set():
            began = asyncio.get_running_loop().time()
            code = await self._once("run")
            if code == NOT_ENROLLED and not self._stopping.is_set():
                code = await self._enrol()
                if code == 0:
                    continue
            if self._stopping.is_set():
                return
            pause_s = 0.5 if asyncio.get_running_loop().time() - began > _LONGEST_PAUSE_S else pause_s
            log.warning("the local agent ended and is started again", extra={"exit_code": code, "in_s": pause_s})
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def stop(self) -> None:
        """Let it drain; the second time its attempts are cancelled."""
        self._stopping.set()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    async def _enrol(self) -> int:
        """Make the site when it is missing, and let the agent in."""
        team_id = await self._house.authentication.team_id(DEFAULT_TEAM)
        if team_id is None:
            raise AssertionError("the first start makes the team")
        team, by = Team(id=team_id, name=DEFAULT_TEAM), By(actor=_ACTOR, at=clock.now(), address=None)
        registry = self._house.registry
        try:
            await registry.sites.get(team, SITE, now=by.at)
        except NotFoundError:
            write = SiteWrite(max_slots=1024, description="This service's own machine")
            await registry.sites.put(team, SITE, write, site_id=clock.new_id("site"), by=by)
            await registry.sites.trust(team, SITE, trusted=True, by=by)
        token = mint("enr")
        request = EnrolmentTokenRequest(expires_in_s=600, note="the agent beside the service")
        await registry.enrolment_tokens.issue(team, SITE, request, token=token, by=by)
        # By a pipe: it is on no disk and in no list of processes.
        return await self._once("enroll", self._address, "--token-file", "-", stdin=token.text)

    async def _once(self, *arguments: str, stdin: str | None = None) -> int:
        """Run the command to its end and return its exit code."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command(arguments),
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            env=self._environment(),
            # Ctrl-C is for the service: it lets its agent finish first.
            start_new_session=True,
        )
        try:
            await self._process.communicate(None if stdin is None else stdin.encode())
            return self._process.returncode or 0
        finally:
            self._process = None

    def _command(self, arguments: Sequence[str]) -> list[str]:
        command = [str(self._program), *arguments, "--state-dir", str(self._state_dir.resolve())]
        if not sys.platform.startswith("linux"):
            return command
        return [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]

    def _environment(self) -> dict[str, str]:
        """Return an environment without the service's own settings: the database's password may be among them."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LEASEHOLD_")}
        return kept | {
            "LEASEHOLD_AGENT_CONFIG": os.devnull,
            "LEASEHOLD_AGENT_NAME": SITE,
            "LEASEHOLD_AGENT_SLOTS": str(self._house.settings.local_slots),
            "LEASEHOLD_AGENT_LINK": "push",
            "LEASEHOLD_AGENT_KEY_STORE": "file",
        }
