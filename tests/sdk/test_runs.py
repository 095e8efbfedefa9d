"""What a running task asks of runs, against an attempt host on a real Unix socket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from leasehold import errors, runs
from leasehold.runtime.values import ValueNotSupportedError
from leasehold_protocol.v1.runs import RunState, TaskState
from leasehold_protocol.v1.task_runs import (
    Count,
    DagFacts,
    PreviousRun,
    PreviousTaskInstance,
    TaskInstanceFacts,
    TaskInstanceList,
    TaskRun,
    TriggeredRun,
)
from tests.support.task_server import TaskServer

YESTERDAY = datetime(2026, 11, 21, 6, tzinfo=UTC)
RUN = TaskRun(
    run="run_9",
    dag="sensors",
    dag_version=3,
    state=RunState.RUNNING,
    trigger="manual",
    logical_date=YESTERDAY,
    created_at=YESTERDAY,
    started_at=YESTERDAY,
    params={"limit": {"$type": "decimal", "value": "0.1"}},
)
ENDED = RUN.model_copy(update={"state": RunState.SUCCESS, "ended_at": YESTERDAY + timedelta(minutes=1)})
TASK = TaskInstanceFacts(
    run="run_9", task="collect", state=TaskState.FAILED, kind="python", try_number=2, logical_date=YESTERDAY
)


def test_a_run_arrives_with_its_times_and_parameters(host: TaskServer) -> None:
    host.facts["GET /v1/runs/run_9"] = [ENDED]

    found = runs.get("run_9")

    assert (found.run, found.dag, found.dag_version, found.state, found.has_ended) == (
        "run_9", "sensors", 3, "success", True,
    )  # fmt: skip
    assert (found.logical_date, found.ended_at) == (YESTERDAY, YESTERDAY + timedelta(minutes=1))
    assert found.params == {"limit": Decimal("0.1")}
    assert "state='success'" in repr(found)


def test_the_previous_success_is_asked_for_by_state(host: TaskServer) -> None:
    host.facts["GET /v1/runs/previous"] = [PreviousRun(previous=ENDED), PreviousRun()]

    last, none = runs.previous("success"), runs.previous(dag="other", before=YESTERDAY)

    assert last is not None
    assert last.started_at == YESTERDAY
    assert none is None
    assert [query for query, _ in host.asked] == [
        {"state": ["success"]},
        {"dag": ["other"], "before": ["2026-11-21T06:00:00+00:00"]},
    ]


def test_several_states_and_dates_travel_together(host: TaskServer) -> None:
    host.facts["GET /v1/runs/count"] = [Count(count=4)]
    berlin = datetime(2026, 11, 21, 7, tzinfo=timezone(timedelta(hours=1)))

    assert runs.count(state=["failed", "cancelled"], logical_date=[berlin, "2026-11-22T06:00:00Z"]) == 4
    assert host.asked[0][0] == {
        "state": ["failed,cancelled"],
        "logical_date": ["2026-11-21T07:00:00+01:00,2026-11-22T06:00:00Z"],
    }


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        runs.count(logical_date=datetime(2026, 11, 21))  # noqa: DTZ001 - the mistake


def test_task_instances_and_dags_arrive(host: TaskServer) -> None:
    host.facts["GET /v1/task-instances"] = [TaskInstanceList(items=[TASK])]
    host.facts["GET /v1/task-instances/count"] = [Count(count=2)]
    host.facts["GET /v1/task-instances/previous"] = [PreviousTaskInstance(previous=TASK), PreviousTaskInstance()]
    host.facts["GET /v1/dags/load_all"] = [
        DagFacts(dag="load_all", version=2, tasks=["load"], deployed_at=YESTERDAY, deployed_by="user:admin")
    ]

    (found,) = runs.tasks(state="failed")
    previous, none = runs.previous_task(), runs.previous_task("other", map_index=3)

    assert (found.task, found.state, found.try_number, found.kind) == ("collect", "failed", 2, "python")
    assert previous == found
    assert none is None
    assert runs.count_tasks(run=["run_9", "run_8"]) == 2
    assert (runs.dag("load_all").version, runs.dag("load_all").tasks) == (2, ["load"])


def test_more_than_one_answer_has_is_said(host: TaskServer) -> None:
    host.facts["GET /v1/task-instances"] = [TaskInstanceList(items=[TASK], more=True)]

    with pytest.raises(errors.RefusedError, match="name fewer runs, tasks or states"):
        runs.tasks(dag="sensors")


def test_a_run_is_started_with_encoded_parameters_and_waited_for(host: TaskServer) -> None:
    host.facts["POST /v1/runs"] = [TriggeredRun(run=RUN, created=True)]
    host.facts["GET /v1/runs/run_9"] = [RUN, ENDED]

    found = runs.trigger("load_all", {"limit": Decimal("0.1")}, key="evening", wait="1h")

    assert found.state == "success"
    assert host.asked[0][1] == {
        "dag": "load_all", "params": {"limit": {"$type": "decimal", "value": "0.1"}}, "key": "evening",
    }  # fmt: skip
    assert [query for query, _ in host.asked[1:]] == [{"wait_s": ["20.000"]}] * 2


def test_a_run_that_takes_too_long_goes_on(host: TaskServer) -> None:
    host.facts["GET /v1/runs/run_9"] = [RUN]

    with pytest.raises(errors.UnavailableError, match="run_9 has not ended in time"):
        runs.wait("run_9", timeout=0)


def test_parameters_that_can_not_travel_are_named() -> None:
    with pytest.raises(ValueNotSupportedError, match=r"params\['what'\]"):
        runs.trigger("load_all", {"what": object()})


@pytest.mark.usefixtures("by_hand")
def test_by_hand_there_are_no_runs() -> None:
    with pytest.raises(errors.RefusedError, match="no task is running here"):
        runs.previous("success")
    with pytest.raises(errors.RefusedError, match="no task is running here"):
        runs.trigger("load_all")
