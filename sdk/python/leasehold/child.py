"""The task process: asks what to do, calls the author's function, says how it ended.

The attempt host starts it with ``LEASEHOLD_TASK_URL`` and ``LEASEHOLD_TASK_SECRET`` set, in the task's working
directory. Exit codes: 0 success or skipped, 1 failed, the author's own with ``sys.exit``, 143 after SIGTERM.
"""

from __future__ import annotations

import os
import sys

from leasehold.errors import LeaseholdError
from leasehold.runtime import authors_files
from leasehold.runtime.expressions import Facts, evaluate, facts_from_context, spread
from leasehold.runtime.host import Host, current_host
from leasehold.runtime.values import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType
    from typing import Any, NoReturn

SIGTERM_EXIT = 143


def _nobody() -> None:
    """Nobody waits for that."""


def main(imported: Callable[[], object] = _nobody) -> NoReturn:
    """Run the task of this process and exit; ``imported`` is called once the author's module is there."""
    host = current_host()
    if host is None:
        sys.exit("LEASEHOLD_TASK_URL is not set: this program is started by the agent, not by hand")
    from leasehold.runtime.streams import lead_into_log

    lead_into_log()
    _end_cleanly_on_sigterm()
    try:
        status = _run(host, imported)
    except LeaseholdError as problem:
        print(problem, file=sys.stderr)  # noqa: T201 - the host is gone, or refuses: its pipe is all there is
        status = 1
    _let_go_of_output()
    sys.exit(status)


def _let_go_of_output() -> None:
    """Flush the streams now: one that the task has closed below Python would turn the exit code into 120."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except (OSError, ValueError) as problem:
            setattr(sys, name, None)
            from leasehold.runtime import log

            log.warning(f"what the task printed last is lost: its {name} is closed", reason=str(problem))


def _run(host: Host, imported: Callable[[], object]) -> int:
    """Do the task's work and return the exit code. How it ended is told, except for success: exit code 0 says that."""
    bundle: object = None
    process = os.getpid()
    try:
        context = host.read("/v1/context")
        bundle = context.get("bundle_dir")
        if bundle:
            authors_files.lie_in(str(bundle))
        facts = facts_from_context(context)
        facts.results = results_of(host)
        result = _work(context, facts, imported)
        if result is not None:
            host.write("PUT", "/v1/result", {"value": encode(result)})
    except BaseException as problem:
        if os.getpid() != process:
            raise  # a child that the author's code forked: its end is not the task's
        from leasehold.runtime.reports import report

        return report(host, problem, str(bundle))
    return 0


def _work(context: Mapping[str, Any], facts: Facts, imported: Callable[[], object]) -> object:
    """Import the author's module and call the function with its arguments.

    Raises:
        ExpressionError: if an argument can't be worked out.
        BaseException: whatever the author's code raises.
    """
    work: Mapping[str, Any] = context["work"]
    function = _function(work["module"], work["function"])
    imported()
    return call(function, work, facts)


def call(function: Callable[..., object], work: Mapping[str, Any], facts: Facts) -> object:
    """Call a task's function with its arguments and return what it returns in the end.

    Raises:
        ExpressionError: if an argument can't be worked out.
        BaseException: whatever the author's code raises.
    """
    args = [evaluate(expression, facts) for expression in work.get("args", ())]
    kwargs = {name: evaluate(expression, facts) for name, expression in work.get("kwargs", {}).items()}
    result: Any = function(*args, **kwargs, **spread(work, facts, kwargs))
    return _awaited(result) if hasattr(result, "__await__") else result


def results_of(host: Host) -> Callable[[str, str, list[object] | None], object]:
    """Return what makes a sequence of what the instances of a mapped task left; it reads as it is asked for."""

    def results(task: str, key: str, given: list[object] | None) -> object:
        from leasehold.runtime.pulled import Pulled

        return Pulled(host, task, key, run=None, wait=None, given=given)

    return results


def _function(module: str, name: str) -> Callable[..., object]:
    """Return what to call: the function that ``@task`` was put on, a sensor around it, or the bare one of that name."""
    __import__(module)
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part)
    function: Callable[..., object] = getattr(found, "at_the_site", None) or getattr(found, "function", found)
    return function


def _awaited(result: Any) -> object:
    import asyncio

    async def whole() -> object:
        return await result

    return asyncio.run(whole())


def _end_cleanly_on_sigterm() -> None:
    """Turn SIGTERM into ``SystemExit``, so that ``finally`` and ``with`` do their work when a task is cancelled."""
    if TYPE_CHECKING:
        import signal
    else:
        import _signal as signal  # the part that is built in: the rest wraps it in enumerations, at every start

    def stop(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends the process at once
        raise SystemExit(SIGTERM_EXIT)

    signal.signal(signal.SIGTERM, stop)
