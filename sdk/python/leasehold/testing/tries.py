"""One try of one task: a function called in this process, or a program started as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from asyncio import CancelledError
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO, Any, cast

from leasehold.child import call, results_of
from leasehold.runtime.expressions import ExpressionError, facts_from_context
from leasehold.runtime.host import InMemory
from leasehold.runtime.in_memory.host import RESULT_KEY, LocalHost
from leasehold.runtime.in_memory.told import LogRecord
from leasehold.runtime.reports import report
from leasehold.runtime.rules.endings import Ending, Stop, decide
from leasehold.runtime.rules.instants import now
from leasehold.runtime.rules.program_results import ResultCapture, ResultError
from leasehold.runtime.rules.programs import clean_environment, command, why_not_started
from leasehold.runtime.values import encode
from leasehold.testing.contained import Contained, NoEngineError, contained
from leasehold.testing.failures import authors_frames
from leasehold.testing.printed import led_into_log

_JOIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a task is tried."""

    work_dir: Path
    variables: Mapping[str, str]
    """The way to its host, for children and programs."""
    timeout_s: float | None = None


def try_function(
    function: Callable[..., object], context: Mapping[str, Any], host: LocalHost, place: Place
) -> tuple[Ending, BaseException | None]:
    """Call a task's function as its task process would; return how it ended, and what it raised.

    A time-out isn't kept: nobody can end a function from outside. What pytest raises to end a test passes through.
    """
    __tracebackhide__ = True
    problem: BaseException | None = None
    with InMemory(host) as way, _as_at(place), led_into_log(host.told):
        try:
            facts = facts_from_context(context)
            facts.results = results_of(way)
            result = call(function, context["work"], facts)
            if result is not None:
                way.write("PUT", "/v1/result", {"value": encode(result)})
            status = 0
        except (Exception, SystemExit, CancelledError) as raised:  # noqa: BLE001 - whatever ends the task
            problem = raised.with_traceback(authors_frames(raised.__traceback__))
            status = report(way, problem, str(context.get("bundle_dir")))
    return decide(wait_status=status << 8, stop=None, said=host.told.said, result_problem=None), problem


@contextmanager
def _as_at(place: Place) -> Generator[None]:
    """Work in the task's directory and with its variables, then as before."""
    folder, before = Path.cwd(), {name: os.environ.get(name) for name in place.variables}
    os.environ.update(place.variables)
    os.chdir(place.work_dir)
    try:
        yield
    finally:
        os.chdir(folder)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def try_program(context: Mapping[str, Any], host: LocalHost, place: Place) -> Ending:
    """Start a task's program or container, wait for its end and return how it ended."""
    work: Mapping[str, Any] = context["work"]
    temporary = place.work_dir / ".tmp"
    temporary.mkdir(exist_ok=True)
    box: Contained | None = None
    try:
        argv, author = command(work, facts_from_context(context))
        if work.get("kind") == "container":
            task = str(context["task"])
            box = contained(work, task, argv, author, work_dir=place.work_dir, variables=place.variables)
    except ExpressionError as problem:
        return Ending(kind="failed", message=str(problem))
    except NoEngineError as problem:
        return Ending(kind="failed_for_good", message=str(problem))
    env = clean_environment(os.environ, home=str(place.work_dir), temporary=str(temporary))
    env |= {**author, **place.variables}
    if box is not None:
        argv, env = box.argv, box.env
    capture = ResultCapture(str(work.get("result", "last_line")))
    try:
        process = subprocess.Popen(
            argv, env=env, cwd=place.work_dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError) as problem:
        return Ending(kind="failed_for_good", message=why_not_started(argv[0], env.get("PATH"), problem))
    stop = _see_through(process, host, capture, place.timeout_s)
    if box is not None and (stop is not None or process.returncode < 0):
        box.end()  # the engine's client is gone, and the container is not its child
    wrong = _keep_result(host, capture) if process.returncode == 0 else None
    code = process.returncode
    return decide(wait_status=code << 8 if code >= 0 else -code, stop=stop, said=host.told.said, result_problem=wrong)


def _see_through(
    process: subprocess.Popen[bytes], host: LocalHost, capture: ResultCapture, timeout_s: float | None
) -> Stop | None:
    """Read what a program prints until it has ended, then end what it left running."""
    out, err = cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stderr)
    streams = (("stdout", out, capture), ("stderr", err, None))
    readers = [Thread(target=_read, args=(*stream, host), daemon=True) for stream in streams]
    for reader in readers:
        reader.start()
    stop = None
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        stop = Stop(kind="timed_out", reason=f"the task ran longer than its time-out of {timeout_s:g} s")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for reader in readers:
        reader.join(_JOIN_S)
    return stop


def _read(source: str, stream: IO[bytes], capture: ResultCapture | None, host: LocalHost) -> None:
    with stream:
        for line in stream:
            if capture is not None:
                capture.feed(line)
            text = host.told.secrets.mask(line.decode(errors="replace").rstrip("\n"))
            host.told.log.append(LogRecord(at=now(), level=source, message=text))


def _keep_result(host: LocalHost, capture: ResultCapture) -> str | None:
    """Keep the result that a program printed, unless it sent one; return what is wrong with it."""
    if RESULT_KEY in host.told.xcoms:
        return None
    try:
        text = capture.text()
    except ResultError as problem:
        return str(problem)
    if text is not None:
        host.told.xcoms[RESULT_KEY] = text
    return None
