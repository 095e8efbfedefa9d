"""The rules of the agent's health: when each reason begins, and when it is over by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasehold_agent.health.clock import clock_trouble
from leasehold_agent.health.disk import MIB, budget_bytes, low_disk, over_budget
from leasehold_agent.health.exposition import Metric, counter, exposition, gauge
from leasehold_agent.health.hosts import MOST_FAILURES, TRY_AGAIN_S, HostStarts
from leasehold_agent.health.link import CALM_S, MOST_BREAKS, WINDOW_S, LinkHistory
from leasehold_agent.health.reasons import Name, Reasons

PLACE = Path("/srv/agent")
DOCUMENT = Path(__file__).parents[2] / "docs/reference/agent-health.md"


@pytest.mark.parametrize("name", Name)
def test_every_reason_is_documented_with_its_meaning_and_its_cure(name: Name) -> None:
    assert f"| `{name.value}` |" in DOCUMENT.read_text()


@pytest.mark.parametrize(
    ("free_mb", "was_low", "is_low"),
    [(256, False, False), (255, False, True), (256, True, True), (319, True, True), (320, True, False)],
)
def test_the_disk_is_low_below_the_mark_and_enough_again_a_quarter_above_it(
    free_mb: int, was_low: bool, is_low: bool
) -> None:
    reason = low_disk(free=free_mb * MIB, low_water_mb=256, was_low=was_low, place=PLACE)

    assert (reason is not None) is is_low
    assert reason is None or ("disk_low_water_mb" in reason and "320 MiB" in reason)


@pytest.mark.parametrize(
    ("used_mb", "was_over", "is_over"),
    [(100, False, False), (101, False, True), (91, True, True), (90, True, False)],
)
def test_the_budget_is_used_up_above_it_and_is_not_any_more_a_tenth_below_it(
    used_mb: int, was_over: bool, is_over: bool
) -> None:
    reason = over_budget(used=used_mb * MIB, budget=100 * MIB, was_over=was_over, place=PLACE)

    assert (reason is not None) is is_over


def test_the_budget_is_a_quarter_of_the_file_system_unless_it_is_set() -> None:
    assert budget_bytes(None, 4000) == 1000
    assert budget_bytes(3, 4000) == 3 * MIB


def test_a_link_that_breaks_again_and_again_flaps_until_it_was_calm_for_a_while() -> None:
    link = LinkHistory()
    for n in range(MOST_BREAKS - 1):
        link.broke(n)
    before = link.trouble(MOST_BREAKS)
    link.broke(MOST_BREAKS)

    assert before is None
    assert "broke 20 times" in str(link.trouble(MOST_BREAKS))
    assert link.trouble(MOST_BREAKS + CALM_S - 1) is not None
    assert link.trouble(MOST_BREAKS + CALM_S) is None
    link.broke(MOST_BREAKS + CALM_S + 1)
    assert link.trouble(MOST_BREAKS + CALM_S + 2) is None, "the breaks that were counted are over"


def test_breaks_that_are_far_apart_are_no_flapping() -> None:
    link = LinkHistory()
    gap = WINDOW_S / (MOST_BREAKS - 2)
    for n in range(3 * MOST_BREAKS):
        link.broke(n * gap)
        assert link.trouble(n * gap) is None
    assert link.breaks_in_all == 3 * MOST_BREAKS


def test_one_host_that_does_not_start_is_its_own_fault_two_are_the_machines() -> None:
    starts = HostStarts()
    starts.failed("no process can be made", now=0)
    first = starts.trouble()
    starts.failed("no process can be made", now=1)

    assert MOST_FAILURES == 2
    assert first is None
    assert "no process can be made" in str(starts.trouble())
    assert not starts.is_worth_a_try(TRY_AGAIN_S)
    assert starts.is_worth_a_try(1 + TRY_AGAIN_S)
    starts.succeeded()
    assert starts.trouble() is None
    assert not starts.is_worth_a_try(1000)


def test_a_wrong_clock_is_told_with_its_direction() -> None:
    assert clock_trouble(ahead_s=30, limit_s=30) is None
    assert "90 s behind" in str(clock_trouble(ahead_s=90, limit_s=30))
    assert "90 s ahead of" in str(clock_trouble(ahead_s=-90, limit_s=30))


def test_a_reason_keeps_its_beginning_while_its_text_changes() -> None:
    now = [100.0]
    reasons = Reasons(lambda: now[0])
    reasons.hold(Name.DISK, "disk: 3 MiB")
    now[0] = 200.0

    assert reasons.hold(Name.DISK, "disk: 2 MiB")
    assert not reasons.hold(Name.DISK, "disk: 2 MiB")
    assert [(reason.text, reason.since) for reason in reasons.all] == [("disk: 2 MiB", 100.0)]
    assert reasons.clear(Name.DISK)
    assert not reasons.clear(Name.DISK)


def test_what_should_only_be_known_keeps_no_work_out() -> None:
    reasons = Reasons()
    reasons.hold(Name.CLOCK, "clock: off", blocks=False)

    assert reasons.blocking == []
    assert [reason.name for reason in reasons.all] == [Name.CLOCK]


def test_the_text_for_prometheus_is_escaped_and_empty_without_a_measurement() -> None:
    odd = Metric(name="m", kind="gauge", help="a\nb\\", samples=(({"v": 'say "hi"\n\\'}, 1.5),))

    text = exposition([odd, counter("c_total", "C.", 3), gauge("g", "G.", None)])

    assert text == (
        '# HELP m a\\nb\\\\\n# TYPE m gauge\nm{v="say \\"hi\\"\\n\\\\"} 1.5\n'
        "# HELP c_total C.\n# TYPE c_total counter\nc_total 3\n"
        "# HELP g G.\n# TYPE g gauge\n"
    )
