"""The host zygote: a warm process of one thread that finds a host for each attempt: a spare one, or a fork of itself.

Requests and answers are JSON lines (docs/reference/attempt-directory.md). When its input closes it takes no more
requests, and ends with its last host: until then it is the one that cleans up after a host that was killed.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from leasehold_agent.fault_points import reach
from leasehold_agent.host import linux, tree
from leasehold_agent.host.checks import Object
from leasehold_agent.host.directory import AttemptDirectory, NotStartedError
from leasehold_agent.host.life import live
from leasehold_agent.host.spares import SpareHosts
from leasehold_agent.host.succession import live_on
from leasehold_agent.host.warm.pool import WarmPool
from leasehold_agent.host.warm.settings import WarmSettings, from_arguments

if TYPE_CHECKING:
    from leasehold.warm.line import Line

_STDIN, _STDOUT = 0, 1
_READ_BYTES = 65536
_LONGEST_REQUEST = 1024 * 1024


def main(arguments: Sequence[str] = ()) -> int:
    """Be the zygote; or, with ``attempt-host DIRECTORY``, run one host here, in the foreground, for people."""
    match list(arguments):
        case ["attempt-host", path]:
            return _foreground(AttemptDirectory(Path(path).absolute()))
        case others if (warm := from_arguments(others)) is not None:
            Zygote(warm).run()
            return 0
        case _:
            sys.stderr.write("usage: attempt-host DIRECTORY\n")
            return 2


def _foreground(directory: AttemptDirectory) -> int:
    try:
        directory.lock()
        control = directory.listen("host.sock")
    except (NotStartedError, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    ending = live(directory, control).ending
    sys.stdout.write(json.dumps(ending, indent=2, ensure_ascii=False) + "\n")
    return 0 if ending is not None and ending["kind"] == "success" else 1


class Zygote:
    """Forks hosts, waits for them, and kills what a dead host leaves."""

    def __init__(self, warm: WarmSettings) -> None:
        self._hosts: set[int] = set()
        self._warm = WarmPool(warm, _note)
        self._spares = SpareHosts()
        self._pending = b""
        self._reads = True
        self._wake, self._woken = socket.socketpair()

    def run(self) -> None:
        """Serve until the input is closed and the last host has ended."""
        with suppress(PermissionError):  # already the leader of a session of its own
            os.setsid()
        os.umask(0o077)
        linux.become_subreaper()
        linux.name_process("host-zygote")
        self._watch_children()
        # What lives now lives in every host: the collector must not write to its pages, or they stop being shared.
        gc.collect()
        gc.freeze()
        while self._reads or self._hosts:
            woken = self._woken.fileno()
            rooms = [*self._warm.sockets(), *self._spares.lines()]
            waited_for: list[int | Line] = [woken, *([_STDIN] if self._reads else []), *rooms]
            ready, _, _ = select.select(waited_for, [], [], self._wait_s())
            if woken in ready:
                self._woken.recv(4096)
            self._spares.attend()
            self._reap()
            if _STDIN in ready:
                self._read()
        self._warm.close()

    def _wait_s(self) -> float | None:
        return min((wait_s for one in (self._warm, self._spares) if (wait_s := one.wait_s()) is not None), default=None)

    def _watch_children(self) -> None:
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _noted)  # an ignored signal would not write to the wake-up socket

    def _read(self) -> None:
        data = os.read(_STDIN, _READ_BYTES)
        self._reads = bool(data)
        if not data:
            self._spares.close()
        *lines, self._pending = (self._pending + data).split(b"\n")
        if len(self._pending) > _LONGEST_REQUEST:
            self._pending = b""
            _say({"error": "a request is longer than 1 MiB", "code": "malformed"})
        for line in filter(bytes.strip, lines):
            _say(self._answer(line))

    def _answer(self, line: bytes) -> Object:
        try:
            request = json.loads(line)
            path, team = request["attempt_dir"], request.get("team")
            directory = AttemptDirectory(Path(path))
            if not directory.path.is_absolute() or "\0" in path:
                raise ValueError("the path must be absolute")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
            shown = line[:200].decode(errors="replace")
            return {"error": f"not a request for a host ({problem!r}): {shown}", "code": "malformed"}
        try:
            return {"attempt_dir": path, "pid": self._host(directory, team)}
        except NotStartedError as problem:
            return {"attempt_dir": path, "error": str(problem), "code": problem.code}
        except OSError as problem:
            return {"attempt_dir": path, "error": f"no host could be made: {problem.strerror}", "code": "unusable"}

    def _host(self, directory: AttemptDirectory, team: object) -> int:
        # The lock belongs to the open file, which the host shares: taken here, it is the host's when this copy closes.
        # The same goes for the socket: the agent may connect as soon as it has the answer. So none is needed from the
        # host, and there is no moment in which nobody holds the lock.
        lock = directory.lock()
        try:
            reach("host.zygote.locked.before-fork")
            with directory.listen("host.sock") as control:
                pid = self._spares.give_attempt(directory, team, lock, control) or self._fork(directory, lock, control)
        finally:
            os.close(lock)
        reach("host.zygote.forked.before-answer")
        return pid

    def _fork(self, directory: AttemptDirectory, lock: int, control: socket.socket) -> int:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            pid = os.fork()
            if pid == 0:
                ours.close()
                self._be_host(directory, lock, control, theirs)
        self._hosts.add(pid)
        self._spares.born(pid, ours)
        return pid

    def _be_host(self, directory: AttemptDirectory, lock: int, control: socket.socket, line: socket.socket) -> None:
        """Never returns."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._wake.close()
            self._woken.close()
            self._warm.leave()
            self._spares.close()
            os.setsid()
            _leave_pipes()
            live_on(directory, lock, control, line, self._warm.door)
            status = 0
        finally:
            # No clean-up of the interpreter: the files are closed by the kernel, and the end comes sooner.
            os._exit(status)

    def _reap(self) -> None:
        """Wait for hosts that have ended; what hangs below this process without being a host lost its own."""
        with suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self._hosts.discard(pid)
                self._warm.ended(pid)
        # One pass is enough: each death brings whatever hung below it here, and wakes this process again.
        children = tree.children(os.getpid())
        # Looked at only now: whose zygote has just died had made itself known before it came to hang here.
        self._warm.attend()
        for orphan in children:
            if orphan not in self._hosts and not self._warm.owns(orphan):
                tree.send([orphan, *tree.descendants(orphan)], signal.SIGKILL)


def _noted(_number: int, _frame: object) -> None:
    """Do nothing: the wake-up socket has it."""


def _leave_pipes() -> None:
    """Let go of the agent's pipes: it may end, and a host must not notice."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)


def _note(text: str) -> None:
    """Tell the agent, which logs it."""
    _say({"note": text})


def _say(answer: Object) -> None:
    # Whoever asked may be gone by now; the host is there all the same, and found by its lock.
    with suppress(OSError):
        os.write(_STDOUT, json.dumps(answer).encode() + b"\n")
