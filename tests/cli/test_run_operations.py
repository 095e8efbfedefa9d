"""Runs tried again, marked, reordered, deleted; why something waits; webhooks: what is sent, and what is said of it."""

from __future__ import annotations

import json

import httpx
import pytest
import respx

from leasehold_protocol.v1.operations import ChangedInstance, RunChanged
from leasehold_protocol.v1.problems import ProblemCode
from leasehold_protocol.v1.retention import PruneAnswer, PrunedDag, Thinned, ThinnedDag
from leasehold_protocol.v1.runs import RunState, TaskState
from leasehold_protocol.v1.why import Why, WhyKind, WhyReason, WhyRun
from tests.cli.answers import NOON, a_run, a_task, refused, said
from tests.cli.conftest import Leasehold

RUN = "/v1/teams/default/runs/run-1"
CHANGED = RunChanged(
    run="run-1",
    version=3,
    state=RunState.RUNNING,
    changed=[ChangedInstance(task_instance="ti-1", task="send", was=TaskState.FAILED, state=TaskState.QUEUED)],
)
WHY = Why(
    task_instance="ti-send",
    task="send",
    state=TaskState.QUEUED,
    summary="site plant is offline since noon",
    reasons=[WhyReason(kind=WhyKind.OFFLINE, message="site plant is offline since noon", site="plant", since=NOON)],
)


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        ([], {"task": None, "downstream": True, "latest": False}),
        (["--task", "send", "--only"], {"task": "send", "downstream": False}),
        (["--latest", "--reason", "fixed"], {"latest": True, "reason": "fixed"}),
    ],
)
def test_a_retry_says_what_is_done_again(
    author: Leasehold, api: respx.Router, words: list[str], sent: dict[str, object]
) -> None:
    route = api.post(f"{RUN}/retry").mock(return_value=said(CHANGED))

    ended = author("runs", "retry", "run-1", *words)

    assert json.loads(route.calls.last.request.content).items() >= sent.items()
    assert "send" in ended.out
    assert "leasehold runs watch run-1" in ended.out


@pytest.mark.parametrize("words", [["--only"], ["--task", "send", "--failed"], ["--map-index", "3"]])
def test_a_retry_that_contradicts_itself_is_a_mistake_of_typing(author: Leasehold, words: list[str]) -> None:
    assert author("runs", "retry", "run-1", *words).code == 2


def test_what_the_api_refuses_is_told_with_its_cure(author: Leasehold, api: respx.Router) -> None:
    api.post(f"{RUN}/retry").mock(return_value=refused(409, ProblemCode.CONFLICT, "nothing in run run-1 failed"))

    ended = author("runs", "retry", "run-1")

    assert ended.code != 0
    assert "nothing in run run-1 failed" in ended.err


def test_marking_cancelling_and_reordering_send_what_was_typed(author: Leasehold, api: respx.Router) -> None:
    mark = api.post(f"{RUN}/tasks/send/mark").mock(return_value=said(CHANGED))
    cancel = api.post(f"{RUN}/tasks/send/cancel").mock(return_value=said(CHANGED))
    priority = api.post(f"{RUN}/priority").mock(return_value=said(CHANGED))

    author("runs", "mark", "run-1", "send", "skipped")
    author("runs", "cancel", "run-1", "--task", "send", "--map-index", "2")
    author("runs", "set-priority", "run-1", "50", "--task", "send")

    assert json.loads(mark.calls.last.request.content)["state"] == "skipped"
    assert json.loads(cancel.calls.last.request.content)["map_index"] == 2
    assert json.loads(priority.calls.last.request.content) == {"priority": 50, "task": "send"}


def test_nothing_is_deleted_without_a_yes(author: Leasehold, api: respx.Router) -> None:
    refused_ = author("runs", "delete", "run-1")
    route = api.delete(RUN).mock(return_value=httpx.Response(204))

    done = author("runs", "delete", "run-1", "--yes")

    assert refused_.code == 2
    assert "--yes" in refused_.err
    assert route.call_count == 1
    assert "deleted" in done.out


def test_a_dry_run_of_pruning_shows_what_would_go_and_needs_no_yes(author: Leasehold, api: respx.Router) -> None:
    item = PrunedDag(dag="report", days=90, runs=12, oldest=NOON)
    route = api.post("/v1/teams/default/prune").mock(return_value=said(PruneAnswer(dry_run=True, items=[item])))

    ended = author("runs", "prune", "--older-than", "90d", "--dry-run")

    assert json.loads(route.calls.last.request.content) == {"older_than_days": 90.0, "dag": None, "dry_run": True}
    assert "They would be deleted." in ended.out


def test_why_answers_for_a_task_and_for_a_run(author: Leasehold, api: respx.Router) -> None:
    api.get(f"{RUN}/tasks/send/why").mock(return_value=said(WHY))
    api.get(f"{RUN}/why").mock(return_value=said(WhyRun(run="run-1", state=RunState.RUNNING, items=[WHY])))

    of_task, of_run = author("why", "run-1", "send"), author("why", "run-1", "--json")

    assert "site plant is offline since noon" in of_task.out
    assert json.loads(of_run.out)["items"][0]["reasons"][0]["kind"] == "offline"


def test_a_shown_run_says_why_its_tasks_wait_and_does_without_where_the_api_cannot_say(
    author: Leasehold, api: respx.Router
) -> None:
    api.get(RUN).mock(return_value=said(a_run(RunState.RUNNING, a_task("send", TaskState.QUEUED))))
    told = said(WhyRun(run="run-1", state=RunState.RUNNING, items=[WHY]))
    api.get(f"{RUN}/why").mock(side_effect=[told, refused(404, ProblemCode.NOT_FOUND, "no such route")])

    assert "offline" in author("runs", "show", "run-1").out
    assert author("runs", "show", "run-1").code == 0


def test_a_dry_run_of_pruning_shows_what_goes_of_runs_that_stay(author: Leasehold, api: respx.Router) -> None:
    thinned = ThinnedDag(dag="report", what=Thinned.XCOMS, days=14, runs=3, oldest=NOON)
    api.post("/v1/teams/default/prune").mock(return_value=said(PruneAnswer(dry_run=True, thinned=[thinned])))

    ended = author("runs", "prune", "--dry-run")

    assert "No run is that old." in ended.out + ended.err
    assert "XComs" in ended.out
    assert "14 d" in ended.out
