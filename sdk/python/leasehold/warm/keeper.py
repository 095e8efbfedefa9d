"""The keeper: the parent of one task after another, forked from the task zygote and of one thread.

Whatever a task starts stays below it (it is a subreaper), its line leads to the attempt host, and each of them is
lost without the other: when the host is gone the keeper kills the tree; when the keeper is gone the host sees the line
end.

    → the host   {"keeper": pid}, {"task": pid}, {"imported": […]}, {"exited": wait status}, {"gone": usage}
    ← the host   once: what the task is given, with its standard output and standard error

Before it is sent that nothing of the task runs, so that a host without an answer may still start it otherwise; after
that it never is. The task itself takes it from the line, as soon as it is forked: nothing that a task is given is ever
in its keeper's memory, which tasks can't trace. So the keeper, when nothing of its task is left, takes the next one.
"""

from __future__ import annotations

import _socket
import gc
import os
import select
import signal

from leasehold.warm.becoming import Launch
from leasehold.warm.environ import show_environment
from leasehold.warm.imports import Imports
from leasehold.warm.line import LineEndedError, receive, send
from leasehold.warm.linux import become_subreaper, shut_memory
from leasehold.warm.process import Children, child_pids, name_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket  # noqa: N812 - the built-in class

_FOR_TASKS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The host says when it is time, and is told the same. Held back, not ignored: a task just forked gets them."""


def keep(line: Socket, zygote: Socket, *, reports: bool) -> Launch:
    """Fork the tasks that hosts describe, and keep each to its end. Returns in tasks only.

    Args:
        line: The first host's.
        zygote: From which the lines of the next ones come.
        reports: The task tells what it imports; then it is the only one.
    """
    gc.disable()
    os.setsid()
    become_subreaper()
    name_process("task-keeper")
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_TASKS)
    children = Children()
    keeper = os.getpid()
    while True:
        imports = Imports() if reports else None
        try:
            send(line, {"keeper": keeper})
            if not line.recv(1, _socket.MSG_PEEK):
                raise LineEndedError  # the host has begun otherwise
            if (task := os.fork()) == 0:
                zygote.close()
                return _be_given(line, keeper, children, mask, imports)
            send(line, {"task": task})
            _see_through(task, line, children, imports)
        except (LineEndedError, OSError):
            _kill_everything()
            reports = True
        line.close()
        if reports:
            os._exit(0)
        try:
            send(zygote, {"spare": None})
            _, (fd,) = receive(zygote)
        except (LineEndedError, ValueError):
            os._exit(0)
        line = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fd)


def _be_given(line: Socket, keeper: int, children: Children, mask: set[int], imports: Imports | None) -> Launch:
    """Take what this task is given; whatever fails here ends it."""
    try:
        shut_memory(shut=False)  # a task's memory is its own to look at, as after an exec
        given, (out, err) = receive(line)
        show_environment(given["env"])
        if os.getppid() != keeper:
            os._exit(1)  # it died before this process could be known by its environment
        children.forget()
        line.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        gc.enable()
        return Launch(given, out, err, imports=imports)
    except BaseException:  # noqa: BLE001 - not one step further as anything but the task
        os._exit(1)


def _see_through(task: int, line: Socket, children: Children, imports: Imports | None) -> None:
    """Tell the host of the task's end, and of the end of everything below.

    Raises:
        LineEndedError: the host is gone.
    """
    waiting = select.poll()
    waiting.register(line, 0)  # its end only: what the task is given may still be there, for the task
    waiting.register(children.woken, select.POLLIN)
    cpu_s, most_kib = 0.0, 0
    while True:
        if any(fd == line.fileno() for fd, _ in waiting.poll()):
            raise LineEndedError
        children.note()
        for pid, status, used in children.ended():
            cpu_s += used.ru_utime + used.ru_stime
            most_kib = max(most_kib, used.ru_maxrss)
            if pid == task:
                if imports is not None:
                    send(line, {"imported": imports.told()})
                send(line, {"exited": status})
        if not child_pids():
            send(line, {"gone": {"cpu_s": cpu_s, "max_rss_bytes": most_kib * 1024}})
            return


def _kill_everything() -> None:
    """Kill every child until there is none: what hung below it becomes a child itself."""
    while left := child_pids():
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
