"""A service of one's own: ``leasehold-api`` with an agent beside it, in a directory that is gone afterwards.

Both are found as programs; this distribution imports neither.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from leasehold.cli.api import Api, rows
from leasehold.cli.credentials import ApiToken
from leasehold.cli.errors import FailedError, UnreachableError, WrongInputError
from leasehold_protocol.v1.fleet import AgentList, AgentStatus

SITE = "local"
"""Where the service's own agent is."""
READY_S = 60.0
DRAIN_S = 1.5
END_S = 15.0
_LOOK_EVERY_S = 0.05
_LAST_LINES = 15
# Should this command be killed, the kernel asks the service to end: nobody else would.
_TIED = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); "
    "os.getppid() == int(sys.argv[1]) and os.execv(sys.argv[2], sys.argv[2:])"
)


def find_programs() -> Path:
    """Return the service's command.

    Raises:
        WrongInputError: it or the agent's is not installed.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = {name: shutil.which(name, path=path) for name in ("leasehold-api", "edge-agent")}
    if missing := [name for name, where in found.items() if where is None]:
        raise WrongInputError(
            f"leasehold dev runs the service and an agent on this machine, and {' and '.join(missing)} can't be found.",
            "Install them beside this command: pip install leasehold-api leasehold-agent",
        )
    return Path(str(found["leasehold-api"]))


@asynccontextmanager
async def own_house(program: Path, *, slots: int) -> AsyncGenerator[Api]:
    """Start everything and return its API, when the agent is there too; end everything however the block ends.

    Raises:
        FailedError: it did not start; the last lines of its log say why.
    """
    home = Path(tempfile.mkdtemp(prefix="leasehold-dev-"))
    try:
        log = home / "log"
        process = _started(_command(program, home, slots), home, log)
        try:
            url = await _address(process, home)
            token = (home / "state" / "bootstrap.token").read_text(encoding="utf-8").strip()
            async with Api(url=url, credentials=ApiToken(token)) as api:
                await _agent_is_there(api, process, log)
                yield api
        finally:
            await _end(process)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _started(command: list[str], home: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_environment(home),
            # Ctrl-C is for this command, which ends the service in order.
            start_new_session=True,
        )


def _command(program: Path, home: Path, slots: int) -> list[str]:
    serve = [str(program), "serve", "--state-dir", str(home / "state"), "--port", "0", "--local-slots", str(slots)]
    if not sys.platform.startswith("linux"):
        return serve
    return [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *serve]


def _environment(home: Path) -> dict[str, str]:
    """Return an environment in which no other service's settings are."""
    settings = home / "api.toml"
    settings.touch()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEASEHOLD_")}
    return kept | {"LEASEHOLD_API_CONFIG": str(settings), "LEASEHOLD_API_LOG_EVERY_S": "0.1"}


async def _address(process: subprocess.Popen[bytes], home: Path) -> str:
    noted = home / "state" / "public-url"
    async with asyncio.timeout(READY_S):
        while not noted.is_file():
            _check_lives(process, home / "log")
            await asyncio.sleep(_LOOK_EVERY_S)
    return noted.read_text(encoding="utf-8").strip()


async def _agent_is_there(api: Api, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the service answers and its agent has greeted it.

    Raises:
        FailedError: it did not within a minute.
    """
    try:
        async with asyncio.timeout(READY_S):
            while True:
                _check_lives(process, log)
                with suppress(UnreachableError):
                    agents = await rows(api.pages(api.of_team("agents"), AgentList))
                    if any(agent.status is AgentStatus.CONNECTED for agent in agents):
                        return
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        raise FailedError(f"The service did not start within {READY_S:.0f} s. It said:\n{_last_lines(log)}") from None


def _check_lives(process: subprocess.Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        raise FailedError(f"The service ended with exit code {process.returncode}. It said:\n{_last_lines(log)}")


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:])


async def _end(process: subprocess.Popen[bytes]) -> None:
    """End the service: its agent drains at the first signal, and cancels what it runs at the second."""
    for number, patience_s in ((signal.SIGTERM, DRAIN_S), (signal.SIGTERM, END_S), (signal.SIGKILL, END_S)):
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, patience_s)
            return
