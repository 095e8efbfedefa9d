"""Runs: started, followed to their end through lost connections, shown; and the logs of their tasks."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import respx

from leasehold.cli import following, patience
from leasehold_protocol.v1.problems import ProblemCode
from leasehold_protocol.v1.runs import (
    MetricList,
    MetricSummary,
    RunList,
    RunState,
    RunSummary,
    TaskState,
    TriggerRun,
    XComList,
    XComSummary,
)
from tests.cli.answers import NOON, a_run, a_task, log_part, refused, said
from tests.cli.conftest import Leasehold

RUN = "/v1/teams/default/runs/run-1"
AT = "2026-11-22T12:00:00.000000Z"
LOST = httpx.ConnectError("Connection refused")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying again happens at once."""
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(following, "NO_NEWS_PAUSE_S", 0.01)
    monkeypatch.setattr(following, "LAST_LINES_S", 0.2)


def test_a_run_is_triggered_with_parameters_of_their_own_types(author: Leasehold, api: respx.Router) -> None:
    trigger = api.post("/v1/teams/default/dags/sensor_report/runs").mock(
        return_value=said(a_run(RunState.RUNNING), 201)
    )

    ended = author(
        "runs", "trigger", "sensor_report", "-p", "day=2026-11-02", "-p", "limit=3", "-p", "on=true", "-p", "note=a=b"
    )

    sent = TriggerRun.model_validate_json(trigger.calls.last.request.content)
    assert sent.params == {"day": "2026-11-02", "limit": 3, "on": True, "note": "a=b"}
    assert sent.idempotency_key
    assert "leasehold runs watch run-1" in ended.out


def test_parameters_of_a_file_give_way_to_those_typed(author: Leasehold, api: respx.Router, tmp_path: Path) -> None:
    trigger = api.post("/v1/teams/default/dags/d/runs").mock(return_value=said(a_run(RunState.RUNNING), 201))
    (tmp_path / "params.json").write_text('{"a": 1, "b": 2}')

    author("runs", "trigger", "d", "--params-file", str(tmp_path / "params.json"), "-p", "b=3")

    assert json.loads(trigger.calls.last.request.content)["params"] == {"a": 1, "b": 3}


@pytest.mark.parametrize("content", [None, "{", "[1]"])
def test_a_parameter_file_that_cannot_be_used_is_a_mistake_of_typing(
    author: Leasehold, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "params.json").write_text(content)

    assert author("runs", "trigger", "d", "--params-file", str(tmp_path / "params.json")).code == 2


def test_a_parameter_that_the_api_refuses_is_a_mistake_of_typing(author: Leasehold, api: respx.Router) -> None:
    api.post("/v1/teams/default/dags/d/runs").mock(
        return_value=refused(422, ProblemCode.INVALID_REQUEST, "params.day: 5 is not of type 'string'")
    )

    ended = author("runs", "trigger", "d", "-p", "day=5")

    assert ended.code == 2
    assert "5 is not of type 'string'" in ended.err


def test_watching_shows_states_and_lines_as_they_come_and_ends_with_the_table(
    author: Leasehold, api: respx.Router
) -> None:
    queued = a_run(RunState.RUNNING, a_task("read", TaskState.QUEUED))
    running = a_run(RunState.RUNNING, a_task("read", TaskState.RUNNING, attempts=1))
    done = a_run(RunState.SUCCESS, a_task("read", TaskState.SUCCESS, attempts=1, result={"rows": 24}))
    api.get(RUN).mock(
        side_effect=[said(queued, ETag='"1"'), httpx.Response(304), said(running, ETag='"2"'), said(done, ETag='"3"')]
    )
    api.get("/v1/teams/default/attempts/ti-read.1/log").mock(
        return_value=log_part(f"{AT} info read 24 rows\n", offset=0, complete=True)
    )

    ended = author("runs", "watch", "run-1")

    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[:3] == ["read: queued", "run run-1 of sensor_report: running", "read: running at plant"]
    assert any(line.endswith("read | read 24 rows") for line in lines)
    assert "read: success" in lines
    assert '{"rows": 24}' in ended.out
    assert "sensor_report version 3, run run-1: success, 1 of 1 tasks, 4.0 s" in ended.out


def test_the_long_poll_names_the_state_it_knows(author: Leasehold, api: respx.Router) -> None:
    polled = api.get(RUN).mock(
        side_effect=[said(a_run(RunState.RUNNING), ETag='"1"'), httpx.Response(304), said(a_run(RunState.SUCCESS))]
    )

    author("runs", "watch", "run-1")

    asked = [
        (call.request.headers.get("if-none-match"), call.request.url.params.get("wait_s")) for call in polled.calls
    ]
    assert asked == [(None, None), ('"1"', "25.0"), ('"1"', "25.0")]


def test_a_run_that_fails_is_exit_code_1_and_says_by_which_task(author: Leasehold, api: respx.Router) -> None:
    failed = a_run(RunState.FAILED, a_task("read", TaskState.FAILED, attempts=1, reason="ValueError: no rows"))
    api.get(RUN).mock(return_value=said(failed))
    api.get("/v1/teams/default/attempts/ti-read.1/log").mock(return_value=log_part("", offset=0, complete=True))

    ended = author("runs", "watch", "run-1")

    assert ended.code == 1
    assert "ValueError: no rows" in ended.out
    assert "Run run-1 failed by read." in ended.err


def test_a_lost_connection_is_waited_for_and_the_log_goes_on_where_it_stopped(
    author: Leasehold, api: respx.Router
) -> None:
    running = a_run(RunState.RUNNING, a_task("read", TaskState.RUNNING, attempts=1))
    done = a_run(RunState.SUCCESS, a_task("read", TaskState.SUCCESS, attempts=1))
    proxy_page = httpx.Response(502, text="<html>Bad Gateway</html>")
    api.get(RUN).mock(side_effect=[said(running, ETag='"1"'), LOST, proxy_page, said(done)])
    first = f"{AT} stdout one\n{AT} std"
    log = api.get("/v1/teams/default/attempts/ti-read.1/log").mock(
        side_effect=[
            log_part(first, offset=0, complete=False),
            httpx.ReadError("reset"),
            LOST,
            log_part("out two\n", offset=len(first), complete=True),
        ]
    )

    ended = author("runs", "watch", "run-1")

    assert ended.code == 0
    assert [line.partition(" | ")[2] for line in ended.out.splitlines() if " | " in line] == ["one", "two"]
    assert [call.request.url.params["offset"] for call in log.calls] == ["0", *[str(len(first))] * 3]
    assert ended.out.count("Trying again until it answers") == 1


def test_a_token_revoked_while_watching_ends_the_watching(author: Leasehold, api: respx.Router) -> None:
    revoked = refused(401, ProblemCode.UNAUTHENTICATED, "This token was revoked.")
    api.get(RUN).mock(side_effect=[said(a_run(RunState.RUNNING), ETag='"1"'), revoked])

    ended = author("runs", "watch", "run-1")

    assert ended.code == 3
    assert "This token was revoked." in ended.err


def test_the_first_look_is_not_waited_for(author: Leasehold, api: respx.Router) -> None:
    api.get(RUN).mock(side_effect=LOST)

    assert author("runs", "watch", "run-1").code == 4


def test_a_run_that_is_not_there_is_not_found(author: Leasehold, api: respx.Router) -> None:
    api.get(RUN).mock(return_value=refused(404, ProblemCode.NOT_FOUND, "There is no run run-1."))

    assert author("runs", "watch", "run-1").code == 5


def test_a_log_that_never_comes_does_not_hold_up_the_end(author: Leasehold, api: respx.Router) -> None:
    api.get(RUN).mock(return_value=said(a_run(RunState.FAILED, a_task("read", TaskState.FAILED, attempts=1))))
    api.get("/v1/teams/default/attempts/ti-read.1/log").mock(return_value=log_part("", offset=0, complete=False))

    ended = author("runs", "watch", "run-1")

    assert ended.code == 1
    assert "has not arrived from its site yet" in ended.out


def test_for_programs_the_run_is_printed_at_its_end_and_nothing_beside_it(author: Leasehold, api: respx.Router) -> None:
    api.post("/v1/teams/default/dags/d/runs").mock(return_value=said(a_run(RunState.RUNNING), 201))
    api.get(RUN).mock(return_value=said(a_run(RunState.SUCCESS, a_task("read", TaskState.SKIPPED))))

    ended = author("runs", "trigger", "d", "--watch", "--json")

    assert json.loads(ended.out)["state"] == "success"
    assert "read: skipped" in ended.err


def test_logs_show_every_try_in_order_with_its_task(author: Leasehold, api: respx.Router) -> None:
    run = a_run(RunState.SUCCESS, a_task("read", TaskState.SUCCESS, attempts=2))
    api.get(RUN).mock(return_value=said(run))
    api.get("/v1/teams/default/attempts/ti-read.1/log").mock(
        return_value=log_part(f"{AT} error broke\n", offset=0, complete=True)
    )
    api.get("/v1/teams/default/attempts/ti-read.2/log").mock(
        return_value=log_part(f"{AT} info worked", offset=0, complete=True)
    )

    ended = author("logs", "run-1", "read")

    assert [line.split(" ", 1)[1] for line in ended.out.splitlines()] == [
        "read | error: broke",
        "read (try 2) | worked",
    ]


def test_logs_without_follow_take_what_there_is(author: Leasehold, api: respx.Router) -> None:
    api.get(RUN).mock(return_value=said(a_run(RunState.RUNNING, a_task("read", TaskState.RUNNING, attempts=1))))
    first = f"{AT} stdout so far\n"
    log = api.get("/v1/teams/default/attempts/ti-read.1/log").mock(
        side_effect=[
            log_part(first, offset=0, complete=False),
            log_part("", offset=len(first), complete=False),
        ]
    )

    ended = author("logs", "run-1", "--json")

    assert [json.loads(line)["text"] for line in ended.out.splitlines()] == ["so far"]
    assert {call.request.url.params["wait_s"] for call in log.calls} == {"0"}


def test_following_logs_takes_up_tasks_and_tries_that_begin_later(author: Leasehold, api: respx.Router) -> None:
    early = a_run(RunState.RUNNING, a_task("read", TaskState.UP_FOR_RETRY, attempts=1), a_task("sum", TaskState.NONE))
    done = a_run(
        RunState.SUCCESS,
        a_task("read", TaskState.SUCCESS, attempts=2),
        a_task("sum", TaskState.SUCCESS, attempts=1),
    )
    api.get(RUN).mock(side_effect=[said(early), said(early, ETag='"1"'), said(done, ETag='"2"')])
    for attempt in ("ti-read.1", "ti-read.2", "ti-sum.1"):
        api.get(f"/v1/teams/default/attempts/{attempt}/log").mock(
            return_value=log_part(f"{AT} stdout {attempt}\n", offset=0, complete=True)
        )

    ended = author("logs", "run-1", "-f", "--json")

    assert sorted(json.loads(line)["text"] for line in ended.out.splitlines()) == ["ti-read.1", "ti-read.2", "ti-sum.1"]


def test_the_log_of_a_task_that_is_not_there_names_those_that_are(author: Leasehold, api: respx.Router) -> None:
    api.get(RUN).mock(return_value=said(a_run(RunState.SUCCESS, a_task("read", TaskState.SUCCESS))))

    ended = author("logs", "run-1", "reed")

    assert ended.code == 5
    assert "It has: read" in ended.err


def test_a_run_is_shown_with_the_reason_a_task_waits(author: Leasehold, api: respx.Router) -> None:
    waiting = a_task("read", TaskState.QUEUED, reason="no agent of site plant is connected")
    api.get(RUN).mock(return_value=said(a_run(RunState.RUNNING, waiting)))
    api.get(f"{RUN}/why").mock(return_value=refused(404, ProblemCode.NOT_FOUND, "an older API"))

    ended = author("runs", "show", "run-1")

    assert ended.code == 0
    assert "no agent of site plant is connected" in ended.out


def test_runs_are_listed_up_to_the_limit(author: Leasehold, api: respx.Router) -> None:
    row = RunSummary.model_validate(a_run(RunState.SUCCESS).model_dump())
    listed = api.get("/v1/teams/default/runs").mock(return_value=said(RunList(items=[row, row], next="more")))

    ended = author("runs", "list", "--limit", "2", "--state", "success", "--dag", "d", "--json")

    assert len(json.loads(ended.out)) == 2
    assert dict(listed.calls.last.request.url.params) == {"limit": "2", "dag": "d", "state": "success"}


def test_runs_are_listed_back_to_a_time_and_no_further(author: Leasehold, api: respx.Router) -> None:
    new = RunSummary.model_validate(a_run(RunState.SUCCESS).model_dump())
    old = new.model_copy(update={"run": "run-0", "created_at": NOON - timedelta(days=2)})
    listed = api.get("/v1/teams/default/runs").mock(return_value=said(RunList(items=[new, old], next="more")))

    ended = author("runs", "list", "--since", "2026-11-21T12:00Z", "--after", "run-9", "--limit", "1000", "--json")

    assert [run["run"] for run in json.loads(ended.out)] == ["run-1"]
    assert [dict(call.request.url.params) for call in listed.calls] == [{"limit": "500", "after": "run-9"}]


def test_a_full_list_says_how_to_go_on(author: Leasehold, api: respx.Router) -> None:
    row = RunSummary.model_validate(a_run(RunState.SUCCESS).model_dump())
    api.get("/v1/teams/default/runs").mock(return_value=said(RunList(items=[row, row], next="more")))

    assert "leasehold runs list --after run-1" in author("runs", "list", "--limit", "2").err


@pytest.mark.parametrize(
    ("state", "said_of_it"),
    [
        (RunState.RUNNING, "is being cancelled"),
        (RunState.CANCELLED, "is cancelled"),
        (RunState.SUCCESS, "had ended before: success"),
    ],
)
def test_cancelling_says_how_far_it_got(author: Leasehold, api: respx.Router, state: RunState, said_of_it: str) -> None:
    cancel = api.post(f"{RUN}/cancel").mock(return_value=said(a_run(state)))

    ended = author("runs", "cancel", "run-1", "--reason", "wrong day")

    assert json.loads(cancel.calls.last.request.content) == {"reason": "wrong day"}
    assert said_of_it in ended.out


def test_metrics_show_the_sum_of_a_counter_and_the_last_of_a_gauge(author: Leasehold, api: respx.Router) -> None:
    shared = {
        "task": "read",
        "map_index": -1,
        "attempt": "ti-read.1",
        "count": 3,
        "last": 7,
        "total": 21,
        "min": 6,
        "max": 8,
    }
    metrics = [
        MetricSummary.model_validate({"name": "rows", "kind": "counter", **shared}),
        MetricSummary.model_validate({"name": "level", "kind": "gauge", **shared}),
    ]
    api.get(f"{RUN}/metrics").mock(return_value=said(MetricList(items=metrics)))

    rows = [line.split() for line in author("runs", "metrics", "run-1").out.splitlines() if "read" in line]

    assert rows == [["read", "rows", "counter", "21", "3"], ["read", "level", "gauge", "7", "3", "6", "8"]]


def test_xcoms_show_values_and_where_large_ones_are(author: Leasehold, api: respx.Router) -> None:
    xcoms = [
        XComSummary(task="read", map_index=-1, key="return_value", size=9, value={"a": "[x]"}),
        XComSummary(task="read", map_index=-1, key="all", size=5_000_000, inline=False),
    ]
    api.get(f"{RUN}/xcoms").mock(return_value=said(XComList(items=xcoms)))

    ended = author("runs", "xcoms", "run-1")

    assert '{"a": "[x]"}' in ended.out
    assert "4.8 MiB" in ended.out
    assert "too large to show" in ended.out
