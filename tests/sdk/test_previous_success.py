"""The last run that succeeded, and what a run is about: in templates, in ``context()``, and in tests."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from leasehold import context, dag, shell, task
from leasehold.authoring.loading import load_file
from leasehold.testing import GivenRun, run

NAMES = ("logical_date", "data_interval_start", "data_interval_end", "start_date", "end_date")
LINE = " ".join(f"[{{{{ prev_{name}_success }}}}]" for name in NAMES)
EARLIER = [
    GivenRun("2026-11-23"),
    GivenRun("2026-11-21", "failed"),
    GivenRun("2026-11-20", data_interval=("2026-11-19", "2026-11-20")),
    GivenRun("2026-11-18"),
    GivenRun("2026-11-21", dag="another"),
]


@task
def asks() -> list[object]:
    here = context()
    return [getattr(here, f"prev_{name}_success") for name in NAMES]


@task
def interval() -> list[datetime]:
    here = context()
    return [here.data_interval_start, here.data_interval_end, here.logical_date]


@dag
def looks(since: str = "{{ prev_logical_date_success }}") -> None:
    asks()
    interval()
    shell(f"echo '{LINE}'", id="line")
    shell('echo "$SINCE"', env={"SINCE": since}, id="param")


def test_it_is_the_newest_of_this_dag_before_the_run_that_succeeded() -> None:
    result = run(looks, logical_date="2026-11-22", runs=EARLIER)

    at = "2026-11-20T00:00:00+00:00"
    assert result.tasks["line"].result == f"[{at}] [2026-11-19T00:00:00+00:00] [{at}] [{at}] [{at}]"
    assert result.tasks["param"].result == at
    day = datetime(2026, 11, 20, tzinfo=UTC)
    assert result.tasks["asks"].result == [day, datetime(2026, 11, 19, tzinfo=UTC), day, day, day]


def test_a_first_run_has_none() -> None:
    result = run(looks, logical_date="2026-11-22")

    assert result.tasks["line"].result == "[] [] [] [] []"
    assert result.tasks["asks"].result == [None] * 5


def test_a_test_says_what_a_run_is_about() -> None:
    result = run(looks, data_interval=("2026-11-21", "2026-11-22T06:00+01:00"))

    start, end = datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 22, 5, tzinfo=UTC)
    assert result.tasks["interval"].result == [start, end, end]


def test_the_logical_date_may_be_another() -> None:
    result = run(looks, data_interval=("2026-11-20", "2026-11-21"), logical_date="2026-11-22")

    assert result.tasks["interval"].result == [datetime(2026, 11, day, tzinfo=UTC) for day in (20, 21, 22)]


def test_an_interval_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="turn them round"):
        run(looks, data_interval=("2026-11-22", "2026-11-21"))
    with pytest.raises(ValueError, match="turn them round"):
        GivenRun("2026-11-22", data_interval=("2026-11-22", "2026-11-21"))


def test_a_name_that_is_nearly_right_is_guessed(tmp_path: Path) -> None:
    file = tmp_path / "flow.py"
    file.write_text(
        "from leasehold import dag, shell\n@dag\ndef flow():\n    shell('echo {{ prev_start_date_sucess }}')\n"
    )

    (problem,) = load_file(file).problems

    assert "did you mean 'prev_start_date_success'?" in problem.message
