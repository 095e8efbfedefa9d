"""The pytest plugin, in pytests of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest
from leasehold import Connection, Variable, dag, log, metrics, task, xcom, errors

@task(connections=["plant_db"], variables=["limit"])
def read():
    return [Connection.get("plant_db").host, Variable.get("limit")]

@dag
def report():
    read()

pytestmark = pytest.mark.leasehold(connections={"plant_db": "http://plant"}, variables={"limit": 1})

def test_run(leasehold_run):
    assert leasehold_run(report).tasks["read"].result == ["plant", 1]
    assert leasehold_run(report, variables={"limit": 2}).tasks["read"].result == ["plant", 2]

@pytest.mark.leasehold(variables={"limit": 5})
def test_marked(leasehold_run):
    assert leasehold_run(report).tasks["read"].result == ["plant", 5]

def test_fake(task_context):
    task_context.give(variables={"more": "x"}, xcoms={"collect": {"rows": [1]}})
    log.info("hello", n=1)
    metrics.gauge("level", 2)
    xcom.push("late", (1, 2))
    Variable.set("limit", Variable.get("limit") + 1)
    assert Connection.get("plant_db").host == "plant"
    assert xcom.pull("collect", "rows") == [1]
    with pytest.raises(errors.UndeclaredError):
        Connection.get("other_db")
    assert "hello" in task_context.log
    assert task_context.metrics[0].value == 2
    assert task_context.xcoms == {"late": (1, 2)}
    assert task_context.variables == {"limit": 2, "more": "x"}

@pytest.mark.leasehold(conections={})
def test_misspelt(leasehold_run):
    pass

def test_failing(leasehold_run):
    @task
    def fails():
        raise ValueError("no thermometer")
    @dag
    def failing():
        fails()
    leasehold_run(failing)
"""


ALONE = ("--disable-plugin-autoload", "-p", "leasehold")
"""By its entry point, without the many plugins that have nothing to do with this."""
LINE = TESTS[: TESTS.index("raise ValueError")].count("\n") + 1


def pytest_run(folder: Path, *flags: str) -> str:
    (folder / "test_plugin.py").write_text(TESTS)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "LEASEHOLD_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--strict-markers", "-p", "no:cacheprovider", *flags, "test_plugin.py"],
        cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("flags", [ALONE, (*ALONE, "-p", "xdist", "-n", "1")], ids=["alone", "xdist"])
def test_fixtures_and_marker_work_and_a_failure_shows_the_author_only(tmp_path: Path, flags: tuple[str, ...]) -> None:
    said = pytest_run(tmp_path, *flags)

    assert "3 passed" in said, said
    assert "1 failed" in said, said
    assert "the marker leasehold has no 'conections'; it has: connections" in said
    assert f"fails failed: ValueError: no thermometer (test_plugin.py:{LINE})" in said
    assert "leasehold/testing/whole_run.py" not in said
    assert "leasehold/testing/tries.py" not in said


def test_without_it_nothing_of_it_is_there(tmp_path: Path) -> None:
    said = pytest_run(tmp_path, *ALONE[:1])

    assert "'leasehold' not found in `markers`" in said, said


def test_it_imports_nothing_of_ours_until_it_is_used() -> None:
    code = "import pytest, sys, leasehold.testing.plugin; print(*(n for n in sys.modules if n.startswith('leasehold')))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout.split() == ["leasehold", "leasehold.testing", "leasehold.testing.plugin"]
