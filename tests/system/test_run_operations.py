"""A run is taken up again by hand, through a real API, a real agent and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leasehold.cli.errors import ExitCode
from tests.system.place import Place
from tests.system.programs import until

SOURCE = """\
from leasehold import dag, shell


@dag
def report():
    read = shell("test -e {marker} && echo 7", id="read")
    shell("echo sent", id="send") << read
    shell("echo on; sleep 600", id="slow")
    shell("true", id="train", needs={{"gpu": True}})
"""


def states(place: Place, run: str) -> dict[str, str]:
    """Return task → state."""
    return {task["task"]: task["state"] for task in place.get(f"runs/{run}")["tasks"]}


@pytest.mark.timeout(300)
def test_what_failed_is_done_again_what_runs_is_marked_and_what_waits_says_why(place: Place, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    place.deploy("report", SOURCE.format(marker=marker))
    run = place.trigger("report")
    slow = place.running(run, "slow")
    until(lambda: states(place, run)["read"] == "failed", "read has failed")

    assert "no site offers what it needs: label gpu" in place.command("leasehold", "why", run, "train")
    place.command("leasehold", "runs", "mark", run, "train", "skipped")
    marked = json.loads(place.command("leasehold", "runs", "mark", run, "slow", "success", "--json"))
    marker.touch()
    retried = json.loads(place.command("leasehold", "runs", "retry", run, "--json"))

    assert (marked["state"], retried["state"]) == ("failed", "running")
    until(lambda: states(place, run)["send"] == "success", "what depends on it was done, too")
    ended = place.get(f"runs/{run}")
    tasks = {task["task"]: task for task in ended["tasks"]}
    assert (ended["state"], tasks["read"]["result"], tasks["send"]["state"]) == ("success", "7", "success")
    assert [attempt["try_number"] for attempt in tasks["read"]["attempts"]] == [1, 2]
    assert tasks["slow"]["attempts"][-1]["attempt"] == slow
    place.command("leasehold", "runs", "delete", run, "--yes")
    assert "there is no run" in place.command("leasehold", "runs", "show", run, code=ExitCode.CONFLICT)
