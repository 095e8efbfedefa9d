"""The agent's side of the host zygote: how it is started, asked for hosts, and started again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from leasehold_agent.fault_points import VARIABLE
from leasehold_agent.host.warm.settings import WarmSettings

logger = logging.getLogger(__name__)

ANSWER_S = 15.0
"""A fork takes milliseconds; a zygote that says nothing for this long is replaced."""


class HostNotStartedError(Exception):
    """No host was started.

    Attributes:
        code: ``running``, ``ended``, ``lost``, ``unusable`` or ``malformed`` (docs/reference/attempt-directory.md).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def zygote_command(warm: WarmSettings | None = None) -> list[str]:
    """Return the command of the zygote: a bare interpreter, or the frozen binary itself."""
    more = [] if warm is None else warm.as_arguments()
    if getattr(sys, "frozen", False):
        return [sys.executable, "host-zygote", *more]
    paths = [str(_parent_of(package)) for package in ("leasehold_agent", "leasehold")]
    bootstrap = (
        f"import sys; sys.path[:0] = {paths!r}; "
        "from leasehold_agent.host.zygote import main; sys.exit(main(sys.argv[1:]))"
    )
    return [sys.executable, "-I", "-S", "-c", bootstrap, *more]


def zygote_environment(surroundings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the zygote: the agent's without its own settings, which may be secret."""
    return {
        name: value for name, value in surroundings.items() if not name.startswith("LEASEHOLD_") or name == VARIABLE
    }


class HostZygote:
    """A client of one zygote. Use it from one event loop."""

    def __init__(self, warm: WarmSettings | None = None) -> None:
        self._warm = warm
        self._running: _Running | None = None
        self._one_at_a_time = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The zygote's pid, once it was needed."""
        return None if self._running is None else self._running.process.pid

    async def start_host(self, attempt_dir: Path, *, team: str) -> int:
        """Start the host of a prepared attempt directory and return its pid; it holds ``host.lock`` by then.

        It may have served another attempt of the same ``team``.
        A zygote that died is replaced. If it died after the fork, the host it made is found by its lock.

        Raises:
            HostNotStartedError: if there can be no host in this directory (any more).
        """
        async with self._one_at_a_time:
            answer = await self._ask(_request(attempt_dir, team))
            if answer is not None:
                return _pid(answer)
            self._discard()
            answer = await self._ask(_request(attempt_dir, team))
            if answer is None:
                self._discard()
                raise HostNotStartedError("unusable", "the host zygote ends as soon as it is asked for a host")
            return _pid(answer) if answer.get("code") != "running" else _pid_in(attempt_dir / "host.json")

    async def warm(self) -> None:
        """Start the zygote now: the first attempt need not wait for it. What goes wrong shows with that attempt."""
        async with self._one_at_a_time:
            with contextlib.suppress(OSError):
                self._running = self._running or await _start(self._warm)

    async def probe(self) -> None:
        """Replace the zygote, and see that the new one answers: so could hosts be started again.

        Raises:
            HostNotStartedError: it does not answer.
            OSError: no process can be made.
        """
        await self.close()
        async with self._one_at_a_time:
            # What it is asked is no request. A zygote that says so is well.
            if await self._ask(b"{}\n") is None:
                self._discard()
                raise HostNotStartedError("unusable", "the host zygote ends as soon as it is asked for a host")

    async def close(self) -> None:
        """Let the zygote go; hosts go on, and it waits for them."""
        async with self._one_at_a_time:
            running, self._running = self._running, None
            if running is not None:
                running.writer.close()
                # It may outlive this process by days; so nobody here waits for it.
                running.process.returncode = running.process.poll() or 0

    async def _ask(self, request: bytes) -> dict[str, object] | None:
        """Return the answer, None when the zygote died over it."""
        running = self._running = self._running or await _start(self._warm)
        try:
            running.writer.write(request)
            await running.writer.drain()
            return await asyncio.wait_for(_answer(running.reader), ANSWER_S)
        except (ConnectionError, TimeoutError):
            return None

    def _discard(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.writer.close()
            running.process.kill()
            running.process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    process: subprocess.Popen[bytes]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def _start(warm: WarmSettings | None) -> _Running:
    ours, theirs = socket.socketpair()
    with theirs:
        # No asyncio subprocess: its transport kills the child when the event loop closes.
        process = _spawn(theirs, warm)
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    return _Running(process=process, reader=reader, writer=writer)


def _spawn(channel: socket.socket, warm: WarmSettings | None) -> subprocess.Popen[bytes]:
    environment = zygote_environment(os.environ)
    return subprocess.Popen(
        zygote_command(warm),
        stdin=channel.fileno(),
        stdout=channel.fileno(),
        env=environment,
        start_new_session=True,
        close_fds=True,
    )


async def _answer(reader: asyncio.StreamReader) -> dict[str, object] | None:
    """Return the next answer; what the zygote says unasked is for the log."""
    while (line := await reader.readline()).endswith(b"\n"):
        message = cast("dict[str, object]", json.loads(line))
        if "note" not in message:
            return message
        logger.warning("warm start", extra={"note": message["note"]})
    return None


def _request(attempt_dir: Path, team: str) -> bytes:
    return json.dumps({"attempt_dir": str(attempt_dir.absolute()), "team": team}).encode() + b"\n"


def _pid(answer: Mapping[str, object]) -> int:
    pid = answer.get("pid")
    if not isinstance(pid, int):
        raise HostNotStartedError(str(answer.get("code")), str(answer.get("error")))
    return pid


def _pid_in(path: Path) -> int:
    """Return the pid of the host that a zygote made before it died."""
    return _pid(cast("dict[str, object]", json.loads(path.read_bytes())))


def _parent_of(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise HostNotStartedError("unusable", f"the package {package} is missing: install the agent again")
    return Path(spec.submodule_search_locations[0]).parent
