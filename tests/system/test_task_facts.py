"""What tasks know of runs and what people see of tasks, through a real API and a real agent."""

from __future__ import annotations

from tests.system.place import Place

SOURCE = '''\
"""Two DAGs: one looks at its past and starts the other."""

from leasehold import Retry, context, dag, errors, runs, set_label, shell, task


@task(triggers=["load_all"], retries=1, retry_delay=0)
def collect(day: str, limit: int, api_key: str):
    set_label(f"day {day}")
    started = runs.trigger("load_all", {"day": day}, wait="40s")
    if context().try_number == 1:
        raise Retry("once more", after=0)
    try:
        runs.previous(dag="elsewhere")
    except errors.UndeclaredError as problem:
        refused = str(problem)
    last = runs.previous("success")
    return {
        "started": started.run,
        "state": started.state,
        "last": last and last.run,
        "count": runs.count(dag="load_all"),
        "tasks": {one.task: one.state for one in runs.tasks()},
        "refused": refused,
        "previous_try": (runs.previous_task() or runs.tasks(task="collect")[0]).try_number,
    }


@dag
def facts(day: str = "{{ ds }}", limit: int = 3):
    collect(day, limit=limit, api_key="knock knock")
    shell('printf %s "$WORD"; "$LEASEHOLD_EDGE_AGENT" task runs count --state running',
          id="count", env={"WORD": "day {{ ds }}"})
'''
OTHER = """\
from leasehold import dag, shell


@dag
def load_all(day: str = ""):
    shell("true", id="load")
"""


def test_a_task_looks_back_starts_a_run_once_and_is_shown_with_its_arguments(place: Place) -> None:
    place.deploy("load_all", OTHER)
    place.deploy("facts", SOURCE)

    first = place.run_dag("facts")
    second = place.run_dag("facts")

    one, two = ({task["task"]: task for task in run["tasks"]} for run in (first, second))
    assert (first["state"], second["state"]) == ("success", "success"), (one, two)
    found = one["collect"]["result"]
    assert (found["state"], found["last"], found["count"]) == ("success", None, 1)
    assert found["tasks"]["collect"] == "running"
    assert "dags=['elsewhere']" in found["refused"]
    assert two["collect"]["result"]["last"] == first["run"]
    assert two["collect"]["result"]["count"] == 2
    assert two["collect"]["result"]["previous_try"] == 2
    assert one["collect"]["label"] == f"day {first['logical_date'][:10]}"
    started = place.get(f"runs/{found['started']}")
    assert (started["trigger"], started["caused_by"]) == ("task", one["collect"]["task_instance"])
    shown = place.command("leasehold", "runs", "show", first["run"], "--task", "collect")
    assert "limit" in shown
    assert first["logical_date"][:10] in shown
    assert "api_key" in shown
    assert "knock knock" not in shown
    assert "collect (day " in place.command("leasehold", "runs", "show", first["run"])
