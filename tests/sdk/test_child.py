"""The task process, started as the attempt host starts it."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import leasehold
from leasehold_protocol.v1.leases import RunFacts
from leasehold_protocol.v1.manifest import PythonWork
from leasehold_protocol.v1.problems import Problem, ProblemCode
from leasehold_protocol.v1.tasks import TaskContext
from tests.support.task_server import TaskServer, serve_task

SDK = Path(leasehold.__file__).parent.parent
FLOW = """\
import os, sys, time
from datetime import date
from leasehold import Fail, Retry, Skip, dag, log, task

@task
def succeed(day, rows, factor=1):
    print("working on", day, type(day).__name__)
    return {"day": day, "rows": [row * factor for row in rows]}

@task
def nothing(): ...

@task
async def wait_for_it():
    import asyncio
    await asyncio.sleep(0)
    return "awaited"

def plain(): return "a bare function"

@task
def fail():
    _deeper()

def _deeper():
    raise ValueError("the boiler\\nis cold")

@task
def skip(): raise Skip("no rows today")

@task
def retry(): raise Retry("busy", after="10m")

@task
def give_up(): raise Fail("wrong plant")

@task
def leave(): sys.exit(3)

@task
def leave_with_words(): sys.exit("no such plant")

@task
def leave_in_peace(): sys.exit(0)

@task
def vanish(): os._exit(3)

@task
def fork():
    child = os.fork()
    if child == 0:
        sys.exit(3)
    os.waitpid(child, 0)
    return "the parent's"

@task
def odd_result(): return {"rows": [1, {"x": object()}]}

@task
def noisy():
    import logging, warnings
    logging.getLogger("plant").info("from logging", extra={"rows": 3})
    logging.getLogger("plant").debug("too much detail")
    warnings.warn("from warnings")
    print("half a character: \\udc80", file=sys.stderr)

@task
def log_what_was_caught():
    import logging
    try:
        _deeper()
    except ValueError:
        log.exception("by ours", plant="north")
        logging.getLogger("plant").exception("by logging")

@task
def wait_for_the_end():
    try:
        print("started")
        time.sleep(60)
    finally:
        log.info("cleaned up")

@dag
def flow(): succeed("x", [])
"""


class Task:
    """Runs functions of FLOW as task processes."""

    def __init__(self, bundle: Path, host: TaskServer) -> None:
        self.bundle = bundle
        self.host = host

    def start(self, function: str, module: str = "flow", **work: Any) -> subprocess.Popen[str]:
        self.host.context = TaskContext(
            attempt="ti-1.1",
            task=function,
            task_instance="ti-1",
            try_number=1,
            run=RunFacts(
                run="run-7",
                dag="flow",
                dag_version=1,
                team="default",
                params={"day": "{{ ds }}"},
                logical_date=datetime(2026, 11, 22, tzinfo=UTC),
            ),
            work=PythonWork(module=module, function=function, **work),
            inputs={"read/return_value": [1, 2]},
            work_dir=str(self.bundle),
            bundle_dir=str(self.bundle),
        )
        path = [str(SDK), str(self.bundle)]
        start = f"import sys; sys.path[:0]={path!r}; from leasehold.child import main; main()"
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", start],
            env=self.host.environment,
            cwd=self.bundle,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, function: str, module: str = "flow", **work: Any) -> tuple[int, str, str]:
        with self.start(function, module, **work) as process:
            out, err = process.communicate(timeout=30)
            return process.returncode, out, err

    @property
    def ending(self) -> tuple[str, str | None, float | None]:
        (said,) = self.host.endings
        return said.kind, said.message, said.retry_after_s


@pytest.fixture
def task() -> Iterator[Task]:
    with tempfile.TemporaryDirectory(prefix="lh") as folder:
        (Path(folder) / "flow.py").write_text(FLOW)
        with serve_task(Path(folder)) as host:
            yield Task(Path(folder), host)


def test_a_function_gets_its_arguments_and_its_result_is_told(task: Task) -> None:
    status, out, err = task.run(
        "succeed",
        args=[{"kind": "literal", "value": {"$type": "date", "value": "2026-11-22"}}],
        kwargs={"rows": {"kind": "result", "task": "read"}, "factor": {"kind": "literal", "value": 2}},
    )

    assert (status, out, err) == (0, "working on 2026-11-22 date\n", "")
    assert task.host.results == [{"day": {"$type": "date", "value": "2026-11-22"}, "rows": [2, 4]}]
    assert task.host.endings == []


def test_a_run_parameter_is_rendered(task: Task) -> None:
    args = [{"kind": "param", "name": "day"}, {"kind": "list", "items": []}]

    status, out, _ = task.run("succeed", args=args)

    assert (status, out) == (0, "working on 2026-11-22 str\n")


@pytest.mark.parametrize(
    ("function", "results"),
    [("nothing", []), ("wait_for_it", ["awaited"]), ("plain", ["a bare function"]), ("leave_in_peace", [])],
)
def test_ways_to_succeed(task: Task, function: str, results: list[object]) -> None:
    status, _, err = task.run(function)

    assert (status, err) == (0, "")
    assert (task.host.results, task.host.endings) == (results, [])


@pytest.mark.parametrize(
    ("function", "status", "ending"),
    [
        ("skip", 0, ("skipped", "no rows today", None)),
        ("retry", 1, ("retry", "busy", 600.0)),
        ("give_up", 1, ("failed_for_good", "wrong plant", None)),
        ("leave", 3, ("failed", "exit status 3", None)),
        ("leave_with_words", 1, ("failed", "no such plant", None)),
    ],
)
def test_ways_to_end_otherwise(
    task: Task, function: str, status: int, ending: tuple[str, str | None, float | None]
) -> None:
    ended, _, err = task.run(function)

    assert (ended, err) == (status, "")
    assert task.ending == ending
    assert task.host.results == []


def test_a_failure_shows_the_authors_own_frames_and_one_line_for_people(task: Task) -> None:
    status, _, _ = task.run("fail")

    assert status == 1
    assert task.ending == ("failed", "ValueError: the boiler (flow.py:26)", None)
    (record,) = task.host.logs
    assert record.level == "error"
    lines = record.message.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == '  File "flow.py", line 23, in fail'
    assert lines[2] == "    _deeper()"
    assert "leasehold" not in record.message


def test_a_process_that_vanishes_tells_nothing(task: Task) -> None:
    status, _, _ = task.run("vanish")

    assert (status, task.host.endings) == (3, [])


def test_a_result_that_is_not_json_fails_for_good_and_says_where(task: Task) -> None:
    status, _, _ = task.run("odd_result")

    kind, message, _ = task.ending
    assert (status, kind) == (1, "failed_for_good")
    assert message is not None
    assert message.startswith('result["rows"][1]["x"] is a builtins.object')
    assert task.host.logs[0].message == message


def test_arguments_that_cannot_be_worked_out_fail_for_good(task: Task) -> None:
    status, _, _ = task.run("nothing", args=[{"kind": "template", "text": "{{ dss }}"}])

    assert (status, task.ending[0]) == (1, "failed_for_good")
    assert "'dss', which is unknown" in str(task.ending[1])


def test_a_module_that_is_not_in_the_bundle_fails_with_its_name(task: Task) -> None:
    status, _, _ = task.run("read", module="elsewhere")

    assert (status, task.ending) == (1, ("failed", "ModuleNotFoundError: No module named 'elsewhere'", None))


def test_logging_and_warnings_become_records_and_odd_text_stays_readable(task: Task) -> None:
    status, _, err = task.run("noisy")

    assert (status, err) == (0, "half a character: \\udc80\n")
    assert [(record.level, record.message) for record in task.host.logs] == [
        ("info", "from logging"),
        ("warning", "UserWarning: from warnings"),
    ]
    assert task.host.logs[0].fields == {"logger": "plant", "rows": 3}
    assert task.host.logs[1].fields == {"file": "flow.py", "line": 65}


def test_exceptions_that_are_logged_look_like_those_that_end_a_task(task: Task) -> None:
    status, _, err = task.run("log_what_was_caught")

    assert (status, err) == (0, "")
    assert [record.level for record in task.host.logs] == ["error", "error"]
    for record, words in zip(task.host.logs, ("by ours", "by logging"), strict=True):
        lines = record.message.splitlines()
        assert lines[:2] == [words, "Traceback (most recent call last):"]
        assert lines[2].startswith('  File "flow.py", line ')
        assert lines[-2:] == ["ValueError: the boiler", "is cold"]


def test_sigterm_lets_the_author_clean_up(task: Task) -> None:
    with task.start("wait_for_the_end") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"

        process.send_signal(signal.SIGTERM)
        status = process.wait(30)

    assert status == 143
    assert [record.message for record in task.host.logs] == ["cleaned up"]


def test_the_end_of_a_forked_child_is_not_the_end_of_the_task(task: Task) -> None:
    status, _, err = task.run("fork")

    assert (status, err) == (0, "")
    assert (task.host.results, task.host.endings) == (["the parent's"], [])


def test_a_refused_result_fails_for_good(task: Task) -> None:
    original = task.host.answer

    def refuse_results(method: str, path: str, *rest: Any) -> Any:
        if path == "/v1/result":
            code = ProblemCode.BODY_TOO_LARGE
            return 413, Problem(title="too large", status=413, code=code, detail="larger than 64 MiB: write a file")
        return original(method, path, *rest)

    task.host.answer = refuse_results  # type: ignore[method-assign, assignment]  # this one answer differs

    status, _, _ = task.run("plain")

    assert (status, task.ending[:2]) == (
        1,
        ("failed_for_good", "the result was not taken: larger than 64 MiB: write a file"),
    )


def test_a_task_without_a_host_says_so() -> None:
    start = f"import sys; sys.path[:0]=[{str(SDK)!r}]; from leasehold.child import main; main()"

    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", start], env={}, capture_output=True, text=True, timeout=30, check=False
    )

    assert ended.returncode == 1
    assert "LEASEHOLD_TASK_URL is not set" in ended.stderr
