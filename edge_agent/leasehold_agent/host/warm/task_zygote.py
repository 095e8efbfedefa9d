"""One task zygote, as the process that starts it sees it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

from leasehold.runtime.rules.programs import clean_environment
from leasehold.warm.environ import ROOM, ROOM_BYTES
from leasehold.warm.line import LineEndedError, receive, send
from leasehold_agent.host import linux
from leasehold_agent.host.warm.door import Environment
from leasehold_agent.runtimes.python import interpreter_command

# The SDK is imported before the bundle goes in front, so that an author's `json.py` shadows nothing the SDK needs.
_BOOTSTRAP = """\
import sys
sys.path.insert(0, {sdk!r})
from leasehold.warm.zygote import serve
main = serve({channel})
del serve
main()
"""
_NOWHERE = "/nonexistent"


class TaskZygote:
    """A process that forks the tasks of one environment.

    Attributes:
        keepers: The processes above its tasks.
        is_ready: It has begun, and imported what it was told to.
        unfit: Why no task may be forked from it.
        used_at: When it was last asked for a task (monotonic).
    """

    def __init__(self, environment: Environment, modules: Sequence[str] = ()) -> None:
        self.keepers: set[int] = set()
        self.is_ready = False
        self.unfit: str | None = None
        self.used_at = self.began_at = time.monotonic()
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.setblocking(False)
        with theirs:
            self.pid = _start(environment, theirs.fileno())
        if modules:
            with suppress(LineEndedError):
                send(self.channel, {"load": list(modules)})

    def fork(self, line: int, *, report: bool) -> bool:
        """Have a keeper forked for ``line``; False when nobody is there to do it."""
        self.used_at = time.monotonic()
        try:
            send(self.channel, {"report": report}, [line])
        except (LineEndedError, BlockingIOError):
            return False
        return True

    def hear(self) -> bool:
        """Take in what it says; False when it is gone."""
        while True:
            try:
                message, _ = receive(self.channel)
            except BlockingIOError:
                return True
            except (LineEndedError, ValueError):
                return False
            match message:
                case {"keeper": int() as pid}:
                    self.keepers.add(pid)
                case {"ended": int() as pid}:
                    self.keepers.discard(pid)
                case {"ready": True}:
                    self.is_ready = True
                case {"unfit": str() as reason}:
                    self.unfit = reason
                case _:
                    pass

    def let_go(self) -> None:
        """Ask it for no more tasks; it ends with its last one."""
        with suppress(OSError):
            self.channel.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """End it now. Its keepers and their tasks go on."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def _start(environment: Environment, channel: int) -> int:
    code = _BOOTSTRAP.format(sdk=environment.sdk, channel=channel)
    # A pipe that is open at both ends, as the streams of a task are pipes: what looked at them before the fork is
    # right after it, and what is printed there blocks nobody and reaches nobody.
    reading, writing = os.pipe2(os.O_CLOEXEC)
    both = os.open(f"/proc/self/fd/{reading}", os.O_RDWR | os.O_CLOEXEC)
    most = environment.memory
    try:
        process = subprocess.Popen(
            [*interpreter_command(environment.python, has_packages=environment.has_packages), code],
            env=_variables(os.environ), stdin=subprocess.DEVNULL, stdout=both, stderr=both, close_fds=True,
            pass_fds=(channel,), start_new_session=True, umask=0o077,
            preexec_fn=None if most is None else partial(linux.bound_memory, most),
        )  # fmt: skip
    finally:
        for fd in (reading, writing, both):
            os.close(fd)
    process.returncode = 0  # this object never waits: every child is waited for in one place
    return process.pid


def _variables(surroundings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of every task, as far as tasks share it."""
    return {**clean_environment(surroundings, home=_NOWHERE, temporary=_NOWHERE), ROOM: "-" * ROOM_BYTES}
