"""Tasks that look at runs and start them, in ``leasehold.testing``: what a test gives, and what is recorded."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from leasehold import dag, errors, runs, set_label, skip_downstream, state, task
from leasehold.testing import FakeTask, GivenDag, GivenRun, run, run_task

TODAY = "2026-11-22"
GIVEN = [
    GivenRun(date(2026, 11, 20), run="run_1", tasks={"load": "failed", "count": "success"}),
    GivenRun("2026-11-21T06:00:00+01:00", "failed", run="run_2"),
    GivenRun("2026-11-23", run="run_3"),
    GivenRun("2026-11-21", dag="other", run="run_4", tasks={"load": "success"}),
]


@task(dags=["other"], triggers=["load_all"])
def looks(what: str, kwargs: dict[str, Any]) -> Any:
    found = getattr(runs, what)(**kwargs)
    match found:
        case runs.Run() | runs.TaskInstance():
            return [found.run, found.state]
        case runs.DagFacts():
            return found.tasks
        case list():
            return [[each.run, each.task, each.state] for each in found]
        case _:
            return found


LOOKS = {
    "previous": ("previous", {}, ["run_2", "failed"]),
    "previous success": ("previous", {"state": "success"}, ["run_1", "success"]),
    "before": ("previous", {"before": "2026-11-20T00:00:00Z"}, None),
    "of another": ("previous", {"dag": "other"}, ["run_4", "success"]),
    "count": ("count", {"state": ["success", "failed"]}, 3),
    "count with its own": ("count", {}, 4),
    "count by date": ("count", {"logical_date": datetime(2026, 11, 21, 5, tzinfo=UTC)}, 1),
    "tasks of a run": ("tasks", {"run": ["run_1", "run_4"], "task": "load"}, [
        ["run_1", "load", "failed"], ["run_4", "load", "success"],
    ]),
    "tasks of its own run": ("tasks", {}, [["test", "looks", "running"]]),
    "count tasks": ("count_tasks", {"dag": "other", "state": "success"}, 1),
    "no mapped tasks": ("count_tasks", {"dag": "other", "map_index": 3}, 0),
    "previous task": ("previous_task", {"task": "load"}, ["run_1", "failed"]),
    "previous of itself": ("previous_task", {}, None),
    "a run": ("get", {"run": "run_4"}, ["run_4", "success"]),
    "waiting for one": ("wait", {"run": "run_1"}, ["run_1", "success"]),
    "a DAG": ("dag", {"dag": "load_all"}, ["load"]),
    "its own DAG": ("dag", {"dag": "run_task"}, ["looks"]),
}  # fmt: skip


@pytest.mark.parametrize(("what", "kwargs", "expected"), LOOKS.values(), ids=LOOKS)
def test_a_task_finds_the_runs_that_the_test_gives(what: str, kwargs: dict[str, Any], expected: object) -> None:
    dags = {"load_all": GivenDag(tasks=["load"])}

    assert run_task(looks, what, kwargs, runs=GIVEN, dags=dags, logical_date=TODAY).result == expected


REFUSED = {
    "undeclared": ("previous", {"dag": "secret"}, errors.UndeclaredError, r"add dags=\['secret'\] to the task"),
    "undeclared run": ("get", {"run": "run_5"}, errors.UndeclaredError, r"add dags=\['secret'\]"),
    "undeclared tasks": ("tasks", {"run": "run_5"}, errors.UndeclaredError, r"add dags=\['secret'\]"),
    "undeclared start": ("trigger", {"dag": "other"}, errors.UndeclaredError, r"add triggers=\['other'\] to the task"),
    "no run": ("get", {"run": "run_9"}, errors.NotFoundError, r'runs=\[GivenRun\(…, run="run_9"\)\]'),
    "no DAG": ("dag", {"dag": "other"}, errors.NotFoundError, r'dags=\{"other": GivenDag'),
    "no state": ("count", {"state": "lost"}, errors.RefusedError, "'lost' can't be a state: use one of queued"),
    "no time": ("previous", {"before": "noon"}, errors.RefusedError, "'noon' can't be a time"),
    "no end": ("wait", {"run": "run_6"}, errors.UnavailableError, "in a test nobody ends it"),
}


@pytest.mark.parametrize(("what", "kwargs", "kind", "says"), REFUSED.values(), ids=REFUSED)
def test_what_a_task_may_not_know_or_nobody_gave_says_what_to_do(
    what: str, kwargs: dict[str, Any], kind: type[Exception], says: str
) -> None:
    given = [*GIVEN, GivenRun(TODAY, dag="secret", run="run_5"), GivenRun(TODAY, "running", run="run_6")]

    with pytest.raises(kind, match=says):
        run_task(looks, what, kwargs, runs=given, logical_date=TODAY)


@task(triggers=["load_all", "clean"], retries=1)
def starts(day: date) -> list[object]:
    first = runs.trigger("load_all", {"day": day}, wait=True)
    again = runs.trigger("load_all", {"day": day})
    other = runs.trigger("clean", {"day": day}, key="evening", logical_date="2026-11-01T00:00:00Z")
    if runs.count_tasks(task="starts", state="running") != 1 or first.run != again.run:
        raise AssertionError([first, again])
    return [first.state, other.state, state.get("tries", 0) or state.set("tries", 1) or 1 / 0]


def test_runs_that_tasks_start_are_recorded_once_and_end_as_the_test_says() -> None:
    @dag
    def evening() -> None:
        starts(date(2026, 11, 22))

    result = run(evening, dags={"load_all": GivenDag(ends="failed")})

    assert result.tasks["starts"].result == ["failed", "success", 1]
    assert [(each.dag, each.params, each.trigger) for each in result.triggered] == [
        ("load_all", {"day": date(2026, 11, 22)}, "task"), ("clean", {"day": date(2026, 11, 22)}, "task"),
    ]  # fmt: skip
    assert result.triggered[1].logical_date == datetime(2026, 11, 1, tzinfo=UTC)


def test_a_given_run_or_dag_that_can_not_be_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="'won' can't be a state: use one of queued, running, success"):
        GivenRun(TODAY, "won")
    with pytest.raises(ValueError, match="'won' can't be a state: use one of none, queued"):
        GivenRun(TODAY, tasks={"load": "won"})
    with pytest.raises(ValueError, match="'won' can't be a state"):
        GivenDag(ends="won")
    with pytest.raises(errors.RefusedError, match="'noon' can't be a time"):
        GivenRun("noon")


def test_code_that_only_thinks_that_it_is_a_task_has_all_calls_too() -> None:
    with FakeTask(runs=[GivenRun("2026-11-21", run="run_1")], downstream=["report"]) as fake:
        previous = runs.previous("success")
        runs.trigger("load_all")
        set_label("plant north")
        skip_downstream("report")
        state.set("at/row", (7, 8))
        with pytest.raises(errors.RefusedError, match="those are report"):
            skip_downstream("load")

    assert previous is not None
    assert previous.run == "run_1"
    assert [each.dag for each in fake.triggered] == ["load_all"]
    assert (fake.label, fake.skipped, fake.state_kept) == ("plant north", ["report"], {"at/row": (7, 8)})
