"""Logs, XComs and metrics go before their run, by a real API; who looks for them is told, and does not wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from leasehold.cli.errors import ExitCode
from tests.system.place import Place, open_place
from tests.system.programs import until

AT_ONCE = "0.0000001"
SOURCE = """\
from leasehold import dag, metrics, task, xcom


@task
def read():
    metrics.gauge("rows", 3)
    print("three rows")
    return 3


@task
def send(rows):
    raise ConnectionError(f"nobody takes {rows}")


@task
def look_back(run: str):
    return xcom.pull("read", run=run) if run else "nothing to look at"


@dag
def report(run: str = ""):
    rows = read()
    send(rows)
    look_back(run)
"""


@pytest.fixture(scope="module")
def thinned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place whose API keeps logs, XComs and metrics of older runs for no time at all."""
    with open_place(tmp_path_factory.mktemp("place")) as place:
        kept = dict.fromkeys(("LOG", "XCOM", "METRIC"), AT_ONCE)
        place.serve(more={f"LEASEHOLD_API_{what}_RETENTION_DAYS": days for what, days in kept.items()})
        place.make_site("north")
        place.enroll("north", "north-1")
        place.start_agent("north-1", "--slots", "4")
        yield place


def task_of(run: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in run["tasks"] if each["task"] == name)
    return found


@pytest.mark.timeout(300)
def test_what_is_gone_says_so_and_nobody_waits_for_it(thinned: Place) -> None:
    place = thinned
    place.deploy("report", SOURCE)
    old, newest = place.run_dag("report")["run"], place.run_dag("report")["run"]

    foreseen = place.command("leasehold", "runs", "prune", "--dry-run")
    place.command("leasehold", "runs", "prune", "--older-than", "9999d", "--yes")  # looks at once
    until(lambda: place.get(f"runs/{old}")["metrics_deleted_at"], "the metrics of the older run, the last, are gone")

    assert all(word in foreseen for word in ("logs", "XComs", "metrics", "report"))
    attempt = task_of(place.get(f"runs/{old}"), "read")["attempts"][0]
    answer = place.client.get(f"/v1/teams/default/attempts/{attempt['attempt']}/log", params={"wait_s": 50})
    assert (answer.content, answer.headers["Log-Complete"]) == (b"", "true")
    assert "Log-Deleted-At" in answer.headers
    assert "logs of 3 attempts" in place.command("leasehold", "logs", old)
    assert "deleted by retention" in place.command("leasehold", "logs", old, "-f")
    assert "(by retention)" in place.command("leasehold", "runs", "show", old)
    assert "deleted by retention" in place.command("leasehold", "runs", "show", old, "--task", "read")
    for what in ("xcoms", "metrics"):
        assert "deleted by retention" in place.command("leasehold", "runs", what, old)
        assert "deleted" not in place.command("leasehold", "runs", what, newest)
    assert "three rows" in place.command("leasehold", "logs", newest)
    refused = place.command("leasehold", "runs", "retry", old, code=ExitCode.CONFLICT)
    assert f"leasehold runs retry {old} --task read" in refused

    later = place.run_dag("report", run=old)
    assert "was deleted by retention" in task_of(later, "look_back")["attempts"][0]["message"]
