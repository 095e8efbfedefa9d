"""Which version an agent should have."""

from __future__ import annotations

import itertools

import pytest

from leasehold_agent.exits import OperatorError
from leasehold_agent.updating.choosing import Offer, checked_version, is_newer, is_wanted
from leasehold_agent.updating.trial import Trial
from leasehold_agent.updating.watch import Known

IN_ORDER = ("0.9", "1.0.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.post1", "1.0.1", "1.9", "1.10", "2.0rc1", "2")


def offer(version: str, *, is_named: bool = False) -> Offer:
    return Offer(version=version, because="a test", is_named=is_named)


@pytest.mark.parametrize(("older", "newer"), list(itertools.combinations(IN_ORDER, 2)))
def test_versions_have_an_order(older: str, newer: str) -> None:
    assert is_newer(newer, older)
    assert not is_newer(older, newer)


def test_zeros_at_the_end_say_nothing() -> None:
    assert not is_newer("1.0.0", "1.0")
    assert not is_newer("1.0", "1.0.0")


def test_a_channel_never_takes_an_agent_back_and_a_person_may() -> None:
    assert is_wanted(offer("1.1"), "1.0")
    assert not is_wanted(offer("1.0"), "1.0")
    assert not is_wanted(offer("0.9"), "1.0")
    assert is_wanted(offer("0.9", is_named=True), "1.0")


@pytest.mark.parametrize("text", ["", "v1", "1/2", "../1", "1 0", "1\n"])
def test_what_can_not_be_a_version_is_refused(text: str) -> None:
    with pytest.raises(OperatorError):
        checked_version(text)


def trial(state: str, version: str = "1.1", why: str | None = None) -> Trial:
    return Trial(
        version=version,
        back_version="1.0",
        back="/old/edge-agent",
        prefix="/opt/leasehold",
        pid=1,
        ready_s=1.0,
        began=0.0,
        state=state,  # type: ignore[arg-type]
        why=why,
    )


def test_what_failed_is_told_until_there_is_something_newer_to_try() -> None:
    failed = trial("failed", why="it hangs")

    told = Known(running="1.0", trial=failed).told()

    assert told == "update: version 1.1 was tried on 1970-01-01 00:00 UTC and given up: it hangs; 1.0 goes on"
    assert Known(running="1.0", trial=failed, newer="1.1").told() == told
    assert Known(running="1.0", trial=failed, newer="1.2").told() == "update: version 1.2 is there (edge-agent update)"
    assert Known(running="1.1", trial=failed).told() is None


def test_a_version_that_runs_and_is_not_current_is_told() -> None:
    stuck = trial("ready", why="Permission denied")

    told = Known(running="1.1", trial=stuck, is_current=False).told()

    assert told == "update: 1.1 runs, but /opt/leasehold/current does not lead to it: Permission denied"
    assert Known(running="1.1", trial=stuck, is_current=True).told() is None


def test_nothing_is_told_when_all_is_well_or_something_is_being_tried() -> None:
    assert Known(running="1.1", trial=trial("ready")).told() is None
    assert Known(running="1.0", trial=trial("trying")).told() is None
    assert Known(running="1.0").told() is None


def test_a_repository_that_is_not_to_be_trusted_is_told() -> None:
    assert Known(running="1.0", trouble="it is out of date").told() == "update: it is out of date"
