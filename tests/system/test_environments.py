"""The whole way of dependencies: locked and sent along at deploy, installed by a real agent, seen by its commands."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from tests.system.place import open_place

EXAMPLE = Path(__file__).parents[2] / "examples" / "side_by_side"
BILLS = {"bill_by_contract": 30.0, "bill_by_hour": 42.0}


def test_two_dags_with_conflicting_dependencies_run_at_once(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "dags")
    with open_place(tmp_path) as place:
        place.serve()
        place.make_site("north")
        place.enroll("north", "north-1")
        place.start_agent("north-1", "--slots", "4")
        place.command(sys.executable, str(tmp_path / "dags" / "make_packages.py"))
        for name in BILLS:
            place.command("leasehold", "deploy", str(tmp_path / "dags" / f"{name}.py"))

        runs = [place.trigger(name) for name in BILLS]
        tasks = [place.finished(run)["tasks"][0] for run in runs]

        logs = [place.log_of(task["attempts"][-1]["attempt"]).decode() for task in tasks]
        assert [task["state"] for task in tasks] == ["success", "success"], logs
        assert [f"billed 100.0 kWh: {bill}" in log for bill, log in zip(BILLS.values(), logs, strict=True)] == [
            True,
            True,
        ]
        assert all("installing 1 package with uv" in log for log in logs)
        listed = json.loads(place.command("edge-agent", "environments", "list", "--state-dir", "north-1", "--json"))
        assert sorted(each["packages"] for each in listed) == [["tariffs 1.4"], ["tariffs 2.0"]]
        removed = place.command("edge-agent", "environments", "remove", "--all", "--state-dir", "north-1")
        assert removed.count("removed") + removed.count("in use") == 2

        sent = len(place.get("audit?action=bundle.sent")["items"])
        place.command("leasehold", "deploy", str(tmp_path / "dags" / "bill_by_hour.py"))
        assert sent == len(place.get("audit?action=bundle.sent")["items"]) == 4, "two bundles and two wheels, once"
