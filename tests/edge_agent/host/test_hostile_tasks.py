"""What a task tries against its own host and its neighbours: what is refused, and what only another user stops.

Tasks are the agent's user: docs/explanation/security.md ("No wall between tasks and the agent") says what they can do.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.edge_agent.host.harness import Attempt, Task, Zygote, shell, wait_dead

FORGED = {"kind": "success", "ended_at": "2026-01-31T12:00:00Z", "message": "forged"}


@pytest.fixture
def neighbour(tmp_path: Path, zygote: Zygote) -> Attempt:
    """Another attempt of the same agent."""
    return Attempt(tmp_path / "neighbour", zygote)


def test_an_ending_that_the_task_wrote_is_replaced_by_what_happened(attempt: Attempt) -> None:
    text = json.dumps(FORGED)

    attempt.start(shell(f"printf '%s' '{text}' > ../ending.json; printf x > ../ending.json.new; exit 3"))

    ending = attempt.wait()
    assert (ending["kind"], ending["exit_code"]) == ("failed", 3)
    assert "forged" not in (attempt.path / "ending.json").read_text()


def test_an_ending_cannot_be_kept_away_by_what_lies_in_its_place(attempt: Attempt, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("untouched")

    attempt.start(
        shell(f"ln -s {elsewhere} ../ending.json; rm -f ../output.log; ln -s {elsewhere} ../output.log; exit 3")
    )

    assert attempt.wait()["kind"] == "failed"
    assert elsewhere.read_text() == "untouched"


def test_a_task_that_leaves_its_session_and_its_parent_dies_with_its_host(attempt: Attempt) -> None:
    pid = attempt.fifo("pid")

    attempt.start(shell("setsid sh -c 'setsid sh -c \"echo \\$\\$ > pid; exec sleep 600\" & exit' & sleep 600"))
    escaped = int(os.read(pid, 100))
    os.kill(attempt.pid, 9)

    wait_dead(escaped)
    attempt.wait_gone()
    assert not (attempt.path / "ending.json").exists(), "lost, as far as anybody can know"


def test_a_task_that_kills_its_host_is_lost_and_never_a_success(attempt: Attempt) -> None:
    attempt.start(shell('kill -9 "$(sed \'s/.*"pid": \\([0-9]*\\),.*/\\1/\' ../host.json)"; sleep 600'))

    attempt.wait_gone()
    assert attempt.lock_is_free()
    assert not (attempt.path / "ending.json").exists()


def test_the_secret_of_one_attempt_opens_no_other(attempt: Attempt, neighbour: Attempt) -> None:
    one, other = attempt.talking(), neighbour.talking()
    thief = Task(other.path, one.secret, lambda _code: None)

    answers = [
        thief.request("GET", "/v1/context"),
        thief.request("PUT", "/v1/result", {"value": 1}),
        thief.request("POST", "/v1/log", {"level": "info", "message": "forged"}),
        thief.request("GET", "/v1/connections/plant_db"),
    ]

    assert [status for status, _ in answers] == [401, 401, 401, 401]
    one.end(0)
    other.end(0)
    assert [attempt.wait()["kind"], neighbour.wait()["kind"]] == ["success", "success"]
    assert "forged" not in neighbour.log


@pytest.mark.parametrize(
    "key", ["../../ending.json", "..%2f..%2fending.json", "%2fetc%2fpasswd", "a%00b", ".", "..", "x" * 5000]
)
def test_a_key_that_would_be_another_file_leaves_nothing_outside(attempt: Attempt, key: str) -> None:
    task = attempt.talking()
    before = {path for path in attempt.path.parent.rglob("*") if "xcoms" not in path.parts}

    put = task.request("PUT", f"/v1/xcoms/{key}", {"value": 1})
    read = task.request("GET", f"/v1/xcoms/{key}")
    metric = task.request("POST", "/v1/metrics", {"name": "../../x", "kind": "counter", "value": 1})

    after = {path for path in attempt.path.parent.rglob("*") if "xcoms" not in path.parts}
    task.end(0)
    assert put[0] < 500, put
    assert read[0] < 500, read
    assert metric[0] < 500, metric
    assert {path.name for path in after - before} <= {"metrics.ndjson"}
    assert attempt.wait()["kind"] == "success"
    assert all(path.resolve().is_relative_to(attempt.path) for path in (attempt.path / "xcoms").iterdir())


def test_a_task_that_prints_without_end_fills_no_more_than_its_limit(attempt: Attempt) -> None:
    attempt.start(shell("head -c 30000000 /dev/zero | tr '\\0' x; echo; echo done"), limits={"log_bytes": 1_000_000})

    assert attempt.wait()["kind"] == "success"
    assert (attempt.path / "output.log").stat().st_size < 1_100_000
