"""What a task says of its waiting, of what it keeps and of the tasks after it; and what it can't say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from leasehold_protocol.v1.leases import Ending
from tests.edge_agent.host.harness import EARLIER, Attempt, Task

EVENT = {"key": "go", "kind": "event", "event": "plant/opens"}
QUESTION = {"key": "ship", "kind": "question", "question": {"question": "Ship?", "options": ["yes", "no"]}}


@pytest.fixture
def task(attempt: Attempt) -> Iterator[Task]:
    task = attempt.talking()
    yield task
    task.end(0)
    attempt.wait()


def ended(attempt: Attempt, task: Task, ending: dict[str, Any]) -> Ending:
    """Return ``ending.json`` as the API reads it."""
    status, problem = task.request("PUT", "/v1/ending", ending)
    assert status == 204, problem
    task.end(0)
    return Ending.model_validate(attempt.wait())


def test_a_deferral_says_for_what_and_since_when(attempt: Attempt) -> None:
    ending = ended(attempt, attempt.talking(), {"kind": "deferred", "wait": {**EVENT, "timeout_s": 60}})

    assert ending.wait is not None
    assert (ending.kind, ending.wait.event, ending.wait.timeout_s) == ("deferred", "plant/opens", 60)
    assert ending.wait.since_start_s is not None


def test_what_is_asked_has_no_secret_in_it(attempt: Attempt) -> None:
    task = attempt.talking()
    task.request("POST", "/v1/mask", {"value": "hunter2-of-the-plant"})
    asked = {**QUESTION["question"], "body": "sign in with hunter2-of-the-plant"}  # type: ignore[dict-item]

    ending = ended(attempt, task, {"kind": "deferred", "wait": {**QUESTION, "question": asked}})

    assert ending.wait is not None
    assert ending.wait.question is not None
    assert ending.wait.question.body == "sign in with ***"


@pytest.mark.parametrize(
    ("ending", "says"),
    [
        ({"kind": "rescheduled"}, "one of again_after_s and again_at"),
        ({"kind": "rescheduled", "again_after_s": -1}, "between 0"),
        ({"kind": "rescheduled", "again_after_s": 1e12}, "between 0"),
        ({"kind": "rescheduled", "again_after_s": True}, "finite number"),
        ({"kind": "rescheduled", "again_at": "2026-11-22T06:00:00"}, "no offset from UTC"),
        ({"kind": "rescheduled", "again_after_s": 1, "again_at": "2026-11-22T06:00:00Z"}, "one of"),
        ({"kind": "deferred"}, "wait must be a JSON object"),
        ({"kind": "deferred", "wait": {**EVENT, "kind": "moon"}}, "kind must be one of"),
        ({"kind": "deferred", "wait": {**EVENT, "key": "no spaces"}}, "can't be a key"),
        ({"kind": "deferred", "wait": {**EVENT, "event": "../up"}}, "can't be a key"),
        ({"kind": "deferred", "wait": {**EVENT, "timeout_s": -5}}, "timeout_s must be between 0"),
        ({"kind": "deferred", "wait": {"key": "t", "kind": "time"}}, "one of after_s and at"),
        ({"kind": "deferred", "wait": {"key": "t", "kind": "time", "at": "tomorrow"}}, "RFC 3339"),
        ({"kind": "deferred", "wait": {"key": "r", "kind": "run", "run": ""}}, "a run's id"),
        ({"kind": "deferred", "wait": {"key": "r", "kind": "run", "run": "r", "states": ["asleep"]}}, "'asleep'"),
        ({"kind": "deferred", "wait": {**QUESTION, "question": {"question": "?"}}}, "nothing to answer"),
        ({"kind": "deferred", "wait": {**QUESTION, "question": {"question": "", "options": ["a"]}}}, "1 to 1000"),
        ({"kind": "deferred", "wait": {**QUESTION, "question": {"question": "?", "params": {"a b": {}}}}}, "'a b'"),
        ({"kind": "deferred", "wait": {**QUESTION, "default": {"chosen": "yes"}}}, "list of texts"),
    ],
)
def test_what_can_not_be_waited_for_is_refused(task: Task, ending: dict[str, Any], says: str) -> None:
    status, problem = task.request("PUT", "/v1/ending", ending)

    assert (status, problem["code"]) == (422, "invalid_request")
    assert says in problem["detail"]


def test_with_an_api_that_is_too_old_the_task_hears_so(attempt: Attempt) -> None:
    task = attempt.talking(earlier=None)
    calls = [
        ("PUT", "/v1/ending", {"kind": "rescheduled", "again_after_s": 1}),
        ("PUT", "/v1/ending", {"kind": "deferred", "wait": EVENT}),
        ("PUT", "/v1/state/a", {"value": 1}),
        ("POST", "/v1/skip-downstream", {"tasks": ["report"]}),
    ]

    answers = [task.request(method, path, body) for method, path, body in calls]
    task.end(0)
    attempt.wait()

    assert {status for status, _ in answers} == {422}
    assert all("is too old" in problem["detail"] and "update it" in problem["detail"] for _, problem in answers)


@pytest.mark.parametrize("body", [{"value": "x" * 65 * 1024}])
def test_state_beyond_64_kib_is_refused_and_what_was_there_stays(task: Task, body: dict[str, Any]) -> None:
    task.request("PUT", "/v1/state/a", {"value": 1})

    status, problem = task.request("PUT", "/v1/state/a", body)

    assert (status, problem["code"]) == (413, "body_too_large")
    assert task.request("GET", "/v1/state/a") == (200, {"key": "a", "value": 1})


def test_a_thousand_keys_and_no_more(attempt: Attempt) -> None:
    task = attempt.talking(earlier=EARLIER.model_copy(update={"state_keys": 0}))
    made = {task.request("PUT", f"/v1/state/k{n}", {"value": n})[0] for n in range(1000)}

    refused = task.request("PUT", "/v1/state/one-more", {"value": 1})
    again = task.request("PUT", "/v1/state/k7", {"value": "changed"})
    task.request("DELETE", "/v1/state/k8")
    after = task.request("PUT", "/v1/state/one-more", {"value": 1})
    task.end(0)
    attempt.wait()

    assert made == {204}
    assert (refused[0], "1000 keys at most" in refused[1]["detail"]) == (422, True)
    assert (again[0], after[0]) == (204, 204)


def test_what_expired_is_gone(task: Task) -> None:
    task.request("PUT", "/v1/state/a", {"value": 1, "expires_after_s": 0})

    assert task.request("GET", "/v1/state/a")[0] == 404
    assert task.request("PUT", "/v1/state/a", {"value": 1, "expires_after_s": -1})[0] == 422


def test_a_failure_skips_nothing(attempt: Attempt) -> None:
    task = attempt.talking()
    task.request("POST", "/v1/skip-downstream", {"tasks": ["report"]})
    task.end(3)

    assert "skip" not in attempt.wait()
