"""What the policy in force does to the agent's roster: slots, pauses, and what runs when the hours end."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from leasehold_agent.attempts.gate import Gate
from leasehold_agent.attempts.roster import Roster
from leasehold_agent.policy.file import PolicyFile
from tests.edge_agent.test_attempt_rules import hold

OPEN, CLOSED = datetime(2026, 11, 23, 8, tzinfo=UTC), datetime(2026, 11, 23, 20, tzinfo=UTC)
POLICY = """\
version = 1
connections = ["plant_db"]
[limits]
slots = 2
[hours]
timezone = "UTC"
windows = [{ start = "0 6 * * *", duration = "12h" }]
at_end = "AT_END"
"""


def gate(folder: Path, text: str) -> tuple[Gate, Roster]:
    file = folder / "policy.toml"
    file.write_text(text)
    file.chmod(0o644)
    roster = Roster(8)
    return Gate(PolicyFile(file), roster), roster


@pytest.mark.parametrize(("at_end", "kind"), [("finish", None), ("cancel", "refused")])
def test_when_the_hours_end_no_work_is_taken_and_what_runs_goes_on_or_is_stopped(
    tmp_path: Path, at_end: str, kind: str | None
) -> None:
    here, roster = gate(tmp_path, POLICY.replace("AT_END", at_end))
    held = hold(tmp_path / "ti-1.1")
    roster.add(held)
    here.update(now=OPEN)
    here.greeted(here.facts(now=OPEN))
    assert (roster.slots, roster.free, held.stop) == (2, 1, None)

    here.update(now=CLOSED)

    assert roster.paused_because == ["outside working hours until Tue 2026-11-24 06:00 UTC"]
    assert (held.stop.kind if held.stop else None) == kind


def test_no_work_is_taken_until_the_api_was_told_of_the_policy(tmp_path: Path) -> None:
    here, roster = gate(tmp_path, "version = 1\n")

    assert here.update(now=OPEN)

    assert roster.free == 0
    here.greeted(here.facts(now=OPEN))
    assert roster.free == 8


def test_a_running_task_reads_no_connection_that_the_policy_does_not_name(tmp_path: Path) -> None:
    here, _ = gate(tmp_path, POLICY.replace("AT_END", "finish"))

    assert here.refuse_question("/v1/connections/plant_db") is None
    assert (here.refuse_question("/v1/connections/hr%5Fdb") or (0,))[0] == 403
    assert (here.refuse_question("/v1/variables/limits%2Fupper") or (0,))[0] == 403


def test_while_the_policy_is_broken_a_running_task_is_told_to_ask_later(tmp_path: Path) -> None:
    here, roster = gate(tmp_path, "version = 7\n")
    here.update(now=OPEN)

    assert (here.refuse_question("/v1/connections/plant_db") or (0,))[0] == 503
    assert "version = 7" in roster.paused_because[0]
