"""One attempt in a host process, from its lock to its ending."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from leasehold.runtime.rules.endings import LONGEST_MESSAGE
from leasehold_agent.fault_points import reach
from leasehold_agent.host import instants, linux, tree
from leasehold_agent.host.checks import Object
from leasehold_agent.host.directory import AttemptDirectory, EndingFile
from leasehold_agent.host.host import Host
from leasehold_agent.host.lease import LeaseUnreadableError, read_lease
from leasehold_agent.host.version import HOST_VERSION
from leasehold_agent.host.warm.door import WarmDoor

_WRITE_TRIES = 600
_WRITE_PAUSE_S = 1.0
_KILL_PAUSE_S = 0.01
_LAST_WORDS_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What came of an attempt.

    Attributes:
        ending: What was written; None when it could not be.
        team: Whose attempt may be served next by the same process; None: nobody's.
    """

    ending: Object | None
    team: str | None = None


def live(directory: AttemptDirectory, control: socket.socket, warm: WarmDoor | None = None) -> Lived:
    """Be the host of an attempt whose lock this process holds.

    Args:
        directory: The attempt directory.
        control: The listening ``host.sock``.
        warm: Where a warm process may be asked for.
    """
    os.umask(0o077)
    os.chdir(directory.path)
    linux.become_subreaper()
    linux.name_process("attempt-host")
    _shut_memory(directory)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with ExitStack() as files:
        try:
            lived = loop.run_until_complete(_live(directory, control, warm, files))
        finally:
            directory.remove_sockets()
        # Only when nothing runs any more are files closed: a late write must not meet another file of the same number.
        _wind_up(loop)
    return lived


def _wind_up(loop: asyncio.AbstractEventLoop) -> None:
    """Let what is still under way end: connections that were closed, of an agent and a task that ask no more."""
    loop.set_exception_handler(lambda _loop, _context: None)  # nobody could read it
    if left := asyncio.all_tasks(loop):
        _, left = loop.run_until_complete(asyncio.wait(left, timeout=_LAST_WORDS_S))
    if left:
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.wait(left))
    loop.run_until_complete(loop.shutdown_default_executor())
    asyncio.set_event_loop(None)
    loop.close()


def _shut_memory(directory: AttemptDirectory) -> None:
    # It has what masks the task's secrets, and takes the task's word. But where the path of the task's socket leads
    # through /proc/<pid>/cwd, the task must be able to follow it.
    if directory.has_short_path():
        linux.shut_memory()
    else:
        linux.leave_no_core()


async def _live(directory: AttemptDirectory, control: socket.socket, warm: WarmDoor | None, files: ExitStack) -> Lived:
    file = EndingFile(directory)
    files.callback(file.close)
    host: Host | None = None
    try:
        directory.prepare()
        directory.write_host(pid=os.getpid(), version=HOST_VERSION)
        reach("host.begun.before-task")
        host = Host(directory, read_lease(directory.lease), warm)
        files.callback(host.close)
        ending = await host.run(control)
    except LeaseUnreadableError as problem:
        ending = _bare(directory, "could_not_start", str(problem))
    except Exception as problem:  # noqa: BLE001 (whatever went wrong here: the tree must die and the end be written)
        _kill_everything()
        kind = "could_not_start" if host is None else "lost"
        ending = _bare(directory, kind, _explained(problem))
    written = await _write(file, ending)
    if host is not None and written:
        reach("host.ending.before-telling")
        await host.tell_end()
        return Lived(ending=ending, team=host.team_without_secrets if directory.has_short_path() else None)
    return Lived(ending=ending if written else None)


async def _write(file: EndingFile, ending: Object) -> bool:
    """Write the ending, waiting for a disk that doesn't take it: without it the task's work counts as lost."""
    for _ in range(_WRITE_TRIES):
        try:
            file.write(ending)
        except OSError:
            await asyncio.sleep(_WRITE_PAUSE_S)
        else:
            return True
    return False


def _kill_everything() -> None:
    while left := tree.descendants(os.getpid()):
        tree.send(left, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(_KILL_PAUSE_S)


def _explained(problem: Exception) -> str:
    if isinstance(problem, OSError) and problem.filename is not None:
        return f"the attempt directory can't be used: {problem.strerror}: {problem.filename}"
    return f"the attempt host failed: {problem!r}"


def _bare(directory: AttemptDirectory, kind: str, message: str) -> Object:
    """Return the ending of an attempt without a host to ask: its telemetry is counted from the files."""
    log = _content(directory.log)
    return {
        "kind": kind,
        "message": message[:LONGEST_MESSAGE],
        "ended_at": instants.now(),
        "log_size": len(log),
        "log_sha256": sha256(log).hexdigest(),
        "metric_seq": _content(directory.metrics).count(b"\n"),
        "xcom_seq": _content(directory.xcoms / "index.ndjson").count(b"\n"),
    }


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
