"""What a person sees of mapped tasks."""

from __future__ import annotations

import re

import pytest
import respx

from leasehold_protocol.v1.runs import RunDetail, RunState, TaskInstance, TaskState
from tests.cli.answers import a_run, a_task, log_part, said
from tests.cli.conftest import Leasehold

RUN = "/v1/teams/default/runs/run-1"
AT = "2026-11-22T12:00:00.000000Z"


def instance(index: int, state: TaskState, reason: str | None = None) -> TaskInstance:
    """One instance of the task ``load``, which has an attempt."""
    made = a_task("load", state, attempts=1, reason=reason)
    attempts = [made.attempts[0].model_copy(update={"attempt": f"ti-load_{index}.1"})]
    return made.model_copy(update={"map_index": index, "task_instance": f"ti-load_{index}", "attempts": attempts})


@pytest.fixture
def run(api: respx.Router) -> RunDetail:
    """A run whose mapped task has five instances, one of them failed."""
    each = [instance(index, TaskState.SUCCESS) for index in range(4)]
    found = a_run(RunState.FAILED, a_task("find", TaskState.SUCCESS, attempts=1), *each)
    found = found.model_copy(update={"tasks": [*found.tasks, instance(4, TaskState.FAILED, "no header")]})
    api.get(RUN).mock(return_value=said(found))
    return found


def test_a_mapped_task_is_one_row_with_its_states_and_what_went_wrong_below(author: Leasehold, run: RunDetail) -> None:
    shown = author("runs", "show", run.run).out

    assert re.search(r"load × 5 +plant +4 success, 1 failed", shown)
    assert re.search(r"load\[4\] +plant +1 +failed .*no header", shown)
    assert "load[0]" not in shown


def test_all_instances_are_shown_when_asked_for(author: Leasehold, run: RunDetail) -> None:
    shown = author("runs", "show", run.run, "--mapped").out

    assert [f"load[{index}]" in shown for index in range(5)] == [True] * 5
    assert "×" not in shown


def test_the_log_of_one_instance(author: Leasehold, api: respx.Router, run: RunDetail) -> None:
    api.get("/v1/teams/default/attempts/ti-load_3.1/log").mock(
        return_value=log_part(f"{AT} info loaded", offset=0, complete=True)
    )

    by_option = author("logs", run.run, "load", "--map-index", "3").out
    by_name = author("logs", run.run, "load[3]").out
    nobody = author("logs", run.run, "load", "--map-index", "9")

    assert by_option == by_name
    assert "load[3] | loaded" in by_option
    assert nobody.code != 0
    assert "has no instance 9 of load" in nobody.err
