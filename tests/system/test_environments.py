"""The whole way of dependencies: locked and sent along at deploy, installed by a real agent, seen by its commands."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.wheels import make_wheel
from tests.system.place import open_place

DAG = """\
# /// script
# requires-python = ">=3.11"
# dependencies = ["{dependency}"]
# [tool.leasehold]
# find-links = ["packages"]
# no-index = true
# wheels = true
# ///
from leasehold import dag, task

@task
def paint() -> str:
    import colours
    print("painting with", colours.VERSION)
    return colours.VERSION

@dag
def {name}():
    paint()
"""


def test_two_dags_with_conflicting_dependencies_run_at_once(tmp_path: Path) -> None:
    make_wheel(tmp_path / "packages", "colours", "1.0")
    make_wheel(tmp_path / "packages", "colours", "2.0")
    with open_place(tmp_path) as place:
        place.serve()
        place.make_site("north")
        place.enroll("north", "north-1")
        place.start_agent("north-1", "--slots", "4")
        for name, dependency in (("old_paint", "colours<2"), ("new_paint", "colours>=2")):
            place.deploy(name, DAG.format(name=name, dependency=dependency))

        runs = [place.trigger(name) for name in ("old_paint", "new_paint")]
        tasks = [place.finished(run)["tasks"][0] for run in runs]

        logs = [place.log_of(task["attempts"][-1]["attempt"]).decode() for task in tasks]
        assert [task["state"] for task in tasks] == ["success", "success"], logs
        assert ["painting with 1.0" in logs[0], "painting with 2.0" in logs[1]] == [True, True]
        assert all("installing 1 packages with uv" in log for log in logs)
        listed = json.loads(place.command("edge-agent", "environments", "list", "--state-dir", "north-1", "--json"))
        assert sorted(each["packages"] for each in listed) == [["colours 1.0"], ["colours 2.0"]]
        removed = place.command("edge-agent", "environments", "remove", "--all", "--state-dir", "north-1")
        assert removed.count("removed") + removed.count("in use") == 2
        bundles = len(place.client.get("/v1/teams/default/audit", params={"action": "bundle.sent"}).json()["items"])
        assert bundles == 4  # two bundles and two wheels
        place.command("leasehold", "deploy", str(tmp_path / "old_paint.py"))
        again = place.client.get("/v1/teams/default/audit", params={"action": "bundle.sent"}).json()["items"]
        assert len(again) == bundles
