"""The task zygote: one thread, the SDK imported; it finds a keeper for each task: a spare one, or a fork of itself.

The attempt host's own zygote starts one for each environment and talks to it over the socket it is given:

    → {"load": ["json", …]}            import these now; at most once, before anything else
    ← {"ready": true}                  or {"unfit": why}: an import did what may not outlive a task
    → {"report": true} and a socket    give a keeper that line to its host: a new one when the task is to report
    ← {"keeper": pid} · {"ended": pid}

It holds no secret of any attempt: what a task is given comes over the line, which only its keeper reads. When its
socket closes it takes no more, and ends with its last keeper.
"""

from __future__ import annotations

import _socket
import gc
import os
import select
import signal
import sys

from leasehold.warm.line import LineEndedError, receive, send
from leasehold.warm.linux import shut_memory
from leasehold.warm.process import Children, count_threads, name_process, process_name
from leasehold.warm.spares import Spares
from leasehold.warm.world import look, stop_looking, what_differs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket  # noqa: N812 - the built-in class
    from collections.abc import Callable, Iterable
    from typing import NoReturn

EVERY_TASK_NEEDS = (
    "leasehold.child",
    "leasehold.warm.becoming",
    "leasehold.warm.keeper",
    "leasehold.warm.leaving",
    "leasehold.runtime.streams",
    "leasehold.authoring.tasks",
    "leasehold.authoring.dags",
)


class TaskZygote:
    """Serves the socket ``channel``."""

    def __init__(self, channel: int) -> None:
        self._channel = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, channel)
        self._children = Children()
        self._keepers: set[int] = set()
        self._spares = Spares()
        self._reads = True

    def await_line(self) -> tuple[Socket, Socket, bool]:
        """Serve. Returns in keepers only: the line to the host, the one from here, and whether the task shall tell what
        it imports."""
        name_process("task-zygote")
        shut_memory(shut=True)  # a task that could trace it would reach those that come later
        for module in EVERY_TASK_NEEDS:
            __import__(module)
        self._be_still()
        loaded = False
        while self._reads or self._keepers:
            woken = self._children.woken
            heard = [woken, *self._spares.lines(), *([self._channel] if self._reads else [])]
            ready, _, _ = select.select(heard, [], [], self._spares.wait_s())
            if woken in ready:
                self._children.note()
            self._spares.attend()
            self._reap()
            if self._channel not in ready:
                continue
            try:
                message, files = receive(self._channel)
            except (LineEndedError, ValueError):
                self._end()
                continue
            if "load" in message:
                self._load(message["load"])
                loaded = True
                continue
            if not loaded:
                self._tell({"ready": True})
                loaded = True
            if not self._reads:
                continue
            if lines := self._keeper(files, reports=bool(message.get("report"))):
                return *lines, bool(message.get("report"))
        os._exit(0)

    def _end(self) -> None:
        """Take no more."""
        self._reads = False
        self._spares.close()

    def _be_still(self) -> None:
        """Keep what lives now out of the collector's way: pages that it does not write stay shared."""
        gc.collect()
        gc.freeze()

    def _load(self, modules: Iterable[object]) -> None:
        """Import what the bundle's tasks import, and see that nothing of the process was changed by it."""
        before = look()
        for module in modules:
            try:
                __import__(str(module))
            except BaseException:  # noqa: BLE001, S112 - a task that imports it sees why it can't be, in its own log
                continue
        if reason := what_differs(before, look()):
            self._tell({"unfit": reason})
            os._exit(0)
        stop_looking()
        self._be_still()
        self._tell({"ready": True})

    def _keeper(self, files: list[int], *, reports: bool) -> tuple[Socket, Socket] | None:
        """Let a keeper have the line that came; returns both of its own in a new one, None here."""
        threads = count_threads()
        try:
            if len(files) != 1 or (not reports and self._spares.give(None, {"keep": True}, files) is not None):
                return None
            if threads == 1:
                return self._fork(files[0])
        finally:
            for fd in files:
                os.close(fd)
        self._tell({"unfit": f"the warm process has {threads} threads: none may be forked from it"})
        os._exit(0)

    def _fork(self, line: int) -> tuple[Socket, Socket] | None:
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            # Told by itself, before anything else: should the zygote be killed now, the keeper is known to whoever is
            # above, and goes on.
            self._tell({"keeper": os.getpid()})
            self._children.forget()
            self._spares.close()
            self._channel.close()
            ours.close()
            return _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, os.dup(line)), theirs
        theirs.close()
        self._keepers.add(pid)
        self._spares.born(pid, ours)
        return None

    def _reap(self) -> None:
        for pid, _, _ in self._children.ended():
            if pid in self._keepers:
                self._keepers.discard(pid)
                self._tell({"ended": pid})

    def _tell(self, message: dict[str, object]) -> None:
        try:
            send(self._channel, message)
        except LineEndedError:
            self._end()


def serve(channel: int) -> Callable[[], NoReturn]:
    """Be a task zygote. Returns in tasks only: what does the task, to its end."""
    from leasehold.warm.becoming import become
    from leasehold.warm.keeper import keep

    original_name = process_name()
    signals = {signal.SIGCHLD: signal.getsignal(signal.SIGCHLD)}
    line, zygote, reports = TaskZygote(channel).await_line()
    shared = frozenset(sys.modules)
    launch = keep(line, zygote, reports=reports)
    imported = become(launch, name=original_name, signals=signals)
    from leasehold.child import main
    from leasehold.warm.leaving import leave

    return lambda: leave(lambda: main(imported), shared=shared)
