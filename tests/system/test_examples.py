"""The shorter examples on the real engine: an API, two sites with agents, people's commands."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.system.place import Place
from tests.system.programs import until

EXAMPLES = Path(__file__).parents[2] / "examples"


def connect(place: Place, name: str, host: Path, kind: str = "file") -> None:
    """Set a connection that only the plant is granted."""
    place.command("leasehold", "connections", "set", name, "--conn-type", kind, "--host", str(host), "--site", "plant")


def tasks(run: dict[str, Any]) -> dict[str, Any]:
    return {task["task"]: task for task in run["tasks"]}


def test_a_person_approves_and_then_it_is_set(place: Place) -> None:
    setting = place.home / "furnace.json"
    connect(place, "furnace_settings", setting)
    place.command("leasehold", "deploy", str(EXAMPLES / "approval.py"))
    run = place.trigger("approval", celsius=1240)

    question = until(lambda: next(iter(place.get("inputs")["items"]), None), "the question is asked")
    place.command("leasehold", "inputs", "answer", question["input"], "--choose", "yes", "--param", "ramp_minutes=45")
    ended = tasks(place.finished(run))

    assert ended["write_setting"]["state"] == "success"
    assert json.loads(setting.read_text()) == {"celsius": 1240, "ramp_minutes": 45}


def test_a_sensor_waits_for_what_is_still_being_written(place: Place) -> None:
    connect(place, "drop_folder", place.home)
    (place.home / "export-2026-11-22.csv").write_text("article,pieces\nA,2\nA,3\n")
    place.command("leasehold", "deploy", str(EXAMPLES / "wait_for_export.py"))

    ended = tasks(place.run_dag("wait_for_export", day="2026-11-22"))
    shown = place.command("leasehold", "logs", place.get("runs?limit=1")["items"][0]["run"], "--grep", "looked for")

    assert ended["total"]["result"] == {"A": 5}
    assert ended["export_is_complete"]["rescheduled"] == 1
    assert shown.count("looked for the export") == 2


def test_a_database_stays_at_its_site(place: Place) -> None:
    file = place.home / "clinic.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE patients (ward TEXT, name TEXT)")
        database.executemany("INSERT INTO patients VALUES (?, ?)", [("ward 1", f"patient {n}") for n in range(4)])
    connect(place, "clinic_db", file, "sqlite")
    place.command("leasehold", "deploy", str(EXAMPLES / "stays_at_the_site.py"))

    run = place.run_dag("stays_at_the_site")

    ended = tasks(run)
    assert {ended[name]["site"] for name in ("count_by_ward", "write_letters")} == {"plant"}
    assert ended["write_letters"]["result"] == 4
    everything = [place.log_of(attempt["attempt"]) for task in run["tasks"] for attempt in task["attempts"]]
    assert b"patient " not in b"".join(everything) + json.dumps(place.get(f"runs/{run['run']}/xcoms")).encode()


def test_what_is_deployed_and_what_ran_is_shown(place: Place) -> None:
    place.command("leasehold", "deploy", str(EXAMPLES / "stays_at_the_site.py"))
    changed = place.home / "stays_at_the_site.py"
    changed.write_text((EXAMPLES / "stays_at_the_site.py").read_text().replace("beds: int = 4", "beds: int = 6"))

    same = place.command("leasehold", "diff", str(EXAMPLES / "stays_at_the_site.py"), "--exit-code")
    other = place.command("leasehold", "diff", str(changed), "--exit-code", code=1)
    drawn = place.command("leasehold", "dags", "graph", "stays_at_the_site")

    assert "nothing would change" in same
    assert "default: 4 → 6" in other
    assert "file stays_at_the_site.py  +1 -1" in other
    assert "count_by_ward ─── full_wards ─── write_letters" in drawn
