"""The keeper: the parent of one task, forked from the task zygote and of one thread.

Whatever the task starts stays below it (it is a subreaper), its line leads to the attempt host, and each of them is
lost without the other: when the host is gone the keeper kills the tree; when the keeper is gone the host sees the line
end.

    → the host   {"keeper": pid}, {"task": pid}, {"imported": […]}, {"exited": wait status}, {"gone": usage}
    ← the host   once: what the task is given, with its standard output and standard error

Before it is sent that nothing of the task runs, so that a host without an answer may still start it otherwise; after
that it never is.
"""

from __future__ import annotations

import gc
import os
import resource
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


def keep(line: Socket, *, reports: bool) -> Launch:
    """Fork the task that the host describes, and keep it to its end. Returns in the task only."""
    gc.disable()
    os.setsid()
    shut_memory(shut=False)  # a task's memory is its own to look at, as after an exec
    become_subreaper()
    name_process("task-keeper")
    try:
        send(line, {"keeper": os.getpid()})
        given, (out, err) = receive(line)
    except (LineEndedError, ValueError):
        os._exit(1)
    show_environment(given["env"])
    launch = Launch(given, out, err, imports=Imports() if reports else None)
    children = Children()
    task = os.fork()
    if task == 0:
        children.forget()
        line.close()
        gc.enable()
        return launch
    os.close(out)
    os.close(err)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the host says when it is time, and is told the same
    try:
        send(line, {"task": task})
        _see_through(task, line, children, launch.imports)
    except LineEndedError:
        _kill_everything()
    finally:
        os._exit(0)


def _see_through(task: int, line: Socket, children: Children, imports: Imports | None) -> None:
    """Tell the host of the task's end, and of the end of everything below.

    Raises:
        LineEndedError: the host is gone.
    """
    while True:
        ready, _, _ = select.select([line, children.woken], [], [])
        if line in ready:
            raise LineEndedError  # it has nothing more to say
        children.note()
        for pid, status in children.ended():
            if pid == task:
                if imports is not None:
                    send(line, {"imported": imports.told()})
                send(line, {"exited": status})
        if not child_pids():
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            send(line, {"gone": {"cpu_s": used.ru_utime + used.ru_stime, "max_rss_bytes": used.ru_maxrss * 1024}})
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
