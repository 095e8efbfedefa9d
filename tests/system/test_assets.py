"""Assets from their declaration to their events, through a real API and a real agent."""

from __future__ import annotations

import json

from tests.system.place import Place

SOURCE = '''\
"""One task writes an asset, the next one reads what happened to it."""

from leasehold import Asset, AssetAlias, assets, dag, errors, mask, outlet_events, task

READINGS = Asset("plant_north/readings", uri="s3://plant-north/readings", group="plant", extra={"owner": "north"})
BACKUPS = AssetAlias("backups")


@task(outlets=[READINGS, BACKUPS])
def collect():
    mask("k3yofthestore")
    outlet_events[READINGS].extra = {"rows": 1}
    outlet_events[READINGS].extra["rows"] = 128
    outlet_events["plant_north/readings"].extra["key"] = "k3yofthestore"
    outlet_events[BACKUPS].add(Asset("backup/monday", uri="s3://backup/monday"), extra={"copies": 2})
    try:
        outlet_events["elsewhere"].extra = {}
    except errors.UndeclaredError as problem:
        refused = str(problem)
    kept = assets.state(READINGS)
    seen = kept.get("runs", 0)
    kept.set("runs", seen + 1)
    return {"seen": seen, "refused": refused}


@task(inlets=[READINGS, BACKUPS])
def report(before):
    found = assets.get(uri="s3://plant-north/readings")
    last = assets.events(READINGS, ascending=False, limit=1)[0]
    try:
        assets.state(READINGS).set("runs", 0)
    except errors.UndeclaredError as problem:
        refused = str(problem)
    return {
        "active": found.active,
        "group": found.group,
        "last": [last.dag, last.task, last.try_number, last.extra],
        "events": len(assets.events(READINGS)),
        "backups": [each.name for each in assets.by_alias("backups")],
        "copies": [each.extra["copies"] for each in assets.events(BACKUPS)],
        "runs": assets.state(READINGS).get("runs"),
        "refused": refused,
    }


@task(outlets=[READINGS])
def fails():
    outlet_events[READINGS].extra = {"rows": -1}
    raise RuntimeError("no readings")


@dag
def plant():
    report(collect())


@dag
def broken():
    fails()
'''


def test_a_success_writes_its_outlets_once_and_others_see_it(place: Place) -> None:
    place.deploy("plant", SOURCE)

    first = place.run_dag("plant")
    second = place.run_dag("plant")
    failed = place.run_dag("broken")

    assert (first["state"], second["state"], failed["state"]) == ("success", "success", "failed"), first
    one, two = ({task["task"]: task["result"] for task in run["tasks"]} for run in (first, second))
    assert "those are plant_north/readings, alias backups" in one["collect"]["refused"]
    assert (one["collect"]["seen"], two["collect"]["seen"]) == (0, 1)
    assert two["report"] == {
        "active": True,
        "group": "plant",
        "last": ["plant", "collect", 1, {"rows": 128, "key": "***"}],
        "events": 2,
        "backups": ["backup/monday"],
        "copies": [2, 2],
        "runs": 2,
        "refused": two["report"]["refused"],
    }
    assert "only reads the asset 'plant_north/readings'" in two["report"]["refused"]
    listed = json.loads(place.command("leasehold", "assets", "events", "plant_north/readings", "--json"))
    assert [(event["run"], event["task"]) for event in listed] == [
        (second["run"], "collect"),
        (first["run"], "collect"),
    ]
    shown = place.command("leasehold", "assets", "show", "plant_north/readings")
    assert "s3://plant-north/readings" in shown
    assert "backup/monday" in place.command("leasehold", "assets", "list")


def test_a_task_with_an_asset_that_nobody_agrees_on_is_not_started(place: Place) -> None:
    ours = """\
from leasehold import Asset, dag, shell


@dag
def {name}():
    shell("true", id="t", outlets=[Asset("t", uri="{uri}")])
"""
    place.deploy("first", ours.format(name="first", uri="s3://one"))
    place.deploy("second", ours.format(name="second", uri="s3://two"))

    run = place.run_dag("second")

    assert run["state"] == "failed"
    assert "outlet 't' of task t is not active: its URI is 's3://one' in the DAG first" in run["tasks"][0]["reason"]
    assert place.run_dag("first")["state"] == "success"
