"""Clone detection, as a rule; and the one-time buckets of enrolments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold_api.oauth.kept.generations import Generation, Verdict, judge
from leasehold_api.oauth.parts.rates import Rates

LAST = Generation(number=5, jti="five", issued_at=100.0)


@pytest.mark.parametrize(
    ("number", "jti", "issued_at", "verdict"),
    [
        (6, "six", 101.0, Verdict.FRESH),
        (9, "nine", 90.0, Verdict.FRESH),
        (5, "five", 100.0, Verdict.REPLAYED),
        (5, "other", 100.0, Verdict.CLONED),
        (4, "four", 99.0, Verdict.REPLAYED),
        (4, "four", 100.0, Verdict.REPLAYED),
        (4, "four", 101.0, Verdict.CLONED),
    ],
)
def test_a_generation_is_judged_by_the_newest_known(number: int, jti: str, issued_at: float, verdict: Verdict) -> None:
    assert judge(LAST, Generation(number=number, jti=jti, issued_at=issued_at)) is verdict


@given(st.lists(st.integers(1, 1000), unique=True).map(sorted))
def test_one_agent_that_counts_up_is_never_taken_for_a_clone(numbers: list[int]) -> None:
    last = None
    for number in numbers:
        shown = Generation(number=number, jti=str(number), issued_at=float(number))
        assert judge(last, shown) is Verdict.FRESH
        last = shown


@given(st.lists(st.booleans(), min_size=1))
def test_two_agents_with_one_identity_are_found_when_both_counted_on(turns: list[bool]) -> None:
    # Both restored the same counter; they use it in turns, in any order.
    counters, last, found = {True: 3, False: 3}, LAST, False
    for at, turn in enumerate(turns):
        counters[turn] += 1
        shown = Generation(number=counters[turn] + 2, jti=f"{turn}{at}", issued_at=101.0 + at)
        verdict = judge(last, shown)
        found = found or verdict is Verdict.CLONED
        last = shown if verdict is Verdict.FRESH else last

    assert found == (len(set(turns)) == 2)


def test_an_address_goes_on_at_the_rate_after_its_burst() -> None:
    rates = Rates(burst=2, per_s=1)

    waits = [rates.wait_s("10.0.0.1", now=now) for now in (0.0, 0.0, 0.0, 1.0)]

    assert waits == [0.0, 0.0, 1.0, 0.0]
    assert rates.wait_s("10.0.0.2", now=0.0) == 0.0
