"""How a task that did not simply succeed tells the host: the kind of ending, one line for people, the traceback."""

from __future__ import annotations

import traceback
from pathlib import PurePath
from types import TracebackType

from leasehold.errors import RefusedError
from leasehold.runtime import log
from leasehold.runtime.endings import Deferred, Fail, Reschedule, Retry, Skip
from leasehold.runtime.expressions import ExpressionError
from leasehold.runtime.host import Host
from leasehold.runtime.tracebacks import OUR_FOLDER, formatted
from leasehold.runtime.values import ValueNotSupportedError

_LONGEST = 4000


def report(host: Host, problem: BaseException, bundle: str) -> int:
    """Tell the host how the task ended and return the process's exit code.

    Args:
        host: Who to tell.
        problem: What ended the task.
        bundle: The folder of the author's code: the traceback shown begins there.
    """
    match problem:
        case Skip(downstream=[_, *_] as tasks):
            return _skip_after(host, problem, tasks, bundle)
        case Reschedule():
            again: dict[str, float | str | None] = {"again_after_s": problem.after_s, "again_at": problem.at}
            return _tell(host, "rescheduled", str(problem), status=0, after_s=None, **again)
        case Deferred():
            return _wait(host, problem)
        case Skip():
            return _tell(host, "skipped", str(problem), status=0)
        case Retry():
            return _tell(host, "retry", str(problem), after_s=problem.after_s)
        case Fail():
            return _tell(host, "failed_for_good", str(problem) or "the task raised Fail")
        case SystemExit():
            return _exited(host, problem)
        case ExpressionError() | ValueNotSupportedError() if not _from(problem.__traceback__, bundle):
            log.error(str(problem))
            return _tell(host, "failed_for_good", str(problem))
        case RefusedError() if not _from(problem.__traceback__, bundle):
            log.error(f"the result was not taken: {problem}")
            return _tell(host, "failed_for_good", f"the result was not taken: {problem}")
        case _:
            return _raised(host, problem, bundle)


def _skip_after(host: Host, problem: Skip, tasks: list[str], bundle: str) -> int:
    try:
        host.write("POST", "/v1/skip-downstream", {"tasks": tasks})
    except RefusedError as refused:
        return _raised(host, refused.with_traceback(problem.__traceback__), bundle)
    return _tell(host, "success", str(problem), status=0)


def _wait(host: Host, problem: Deferred) -> int:
    """Say for what the task waits; what the host refuses there, trying again would not make good."""
    try:
        host.write("PUT", "/v1/ending", {"kind": "deferred", "wait": problem.wait})
    except RefusedError as refused:
        log.error(f"the task can't wait like this: {refused}")
        return _tell(host, "failed_for_good", f"the task can't wait like this: {refused}")
    return 0


def _exited(host: Host, problem: SystemExit) -> int:
    match problem.code:
        case None | 0:
            return 0
        case int() as status:
            return _tell(host, "failed", f"exit status {status}", status=status & 0xFF or 1)
        case text:
            log.error(str(text))
            return _tell(host, "failed", _one_line(str(text)))


def _raised(host: Host, problem: BaseException, bundle: str) -> int:
    begin = _from(problem.__traceback__, bundle) or _outside(problem.__traceback__)
    log.error(formatted(problem, begin))
    what = _one_line("".join(traceback.format_exception_only(problem)[-1:]))
    own = [frame for frame in traceback.extract_tb(begin) if frame.filename.startswith(bundle)]
    where = f" ({PurePath(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return _tell(host, "failed", what[: _LONGEST - len(where)] + where)


def _from(trace: TracebackType | None, folder: str) -> TracebackType | None:
    """Return the part of a traceback that begins in ``folder``; None when it never goes there."""
    while trace and not trace.tb_frame.f_code.co_filename.startswith(folder):
        trace = trace.tb_next
    return trace


def _outside(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the leading frames that are ours or the import system's."""
    while trace and trace.tb_frame.f_code.co_filename.startswith((OUR_FOLDER, "<frozen importlib")):
        trace = trace.tb_next
    return trace


def _one_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0][:_LONGEST] if lines else ""


def _tell(
    host: Host, kind: str, message: str, *, status: int = 1, after_s: float | None = None, **more: float | str | None
) -> int:
    text = message.encode(errors="replace").decode()[:_LONGEST]
    host.write("PUT", "/v1/ending", {"kind": kind, "message": text or None, "retry_after_s": after_s, **more})
    return status
