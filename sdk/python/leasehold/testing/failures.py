"""A run that failed in a test, for the person who reads the test's output."""

from __future__ import annotations

from types import TracebackType

from leasehold.runtime.tracebacks import OUR_FOLDER
from leasehold.testing.results import RunResult, TaskResult, shown_log


class RunFailedError(AssertionError):
    """The run did not succeed.

    Attributes:
        result: How it ended.
    """

    def __init__(self, result: RunResult) -> None:
        super().__init__(_text(result))
        self.result = result


def cause_of(result: RunResult) -> BaseException | None:
    """Return what the first failed task raised, with the author's frames only."""
    found = (task.exception for task in result.tasks.values() if task.state == "failed" and task.exception)
    problem = next(found, None)
    return None if problem is None else problem.with_traceback(authors_frames(problem.__traceback__))


def authors_frames(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first frame that isn't ours; all of it when there is none."""
    inner = trace
    while inner and inner.tb_frame.f_code.co_filename.startswith(OUR_FOLDER):
        inner = inner.tb_next
    return inner or trace


def _text(result: RunResult) -> str:
    failed = [task for task in result.tasks.values() if task.state == "failed"]
    others = [task for task in result.tasks.values() if task.state != "failed"]
    said = "".join(_failure(task) for task in failed)
    rest = ", ".join(f"{task.id} {task.state}" for task in others)
    return f"the run of {result.dag} failed{said}" + (f"\n  the others: {rest}" if rest else "")


def _failure(task: TaskResult) -> str:
    tries = f" (tried {task.tries} times)" if task.tries > 1 else ""
    return f"\n  {task.id} failed{tries}: {task.error}" + shown_log(task.log)
