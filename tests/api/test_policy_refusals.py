"""Refusals by sites' policies are kept and passed over, on both databases; and nobody is woken for them without end."""

from __future__ import annotations

from leasehold_api.leases.parking import Parking
from tests.api.contracts.policy_refusals import PolicyRefusalsContract


class TestOnSqlite(PolicyRefusalsContract):
    kind = "sqlite"


class TestOnPostgresql(PolicyRefusalsContract):
    kind = "postgresql"


def test_what_one_policy_refuses_wakes_agents_with_another_once_each_and_then_nobody() -> None:
    parking = Parking()
    with (
        parking.park(agent="a", site="north", placements=["p"], capacity=9, policy="one") as first,
        parking.park(agent="b", site="north", placements=["p"], capacity=9, policy="one") as twin,
        parking.park(agent="c", site="south", placements=["p"], capacity=9, policy="two") as other,
    ):
        parking.work_queued("p")
        for waiter in (first, other):
            parking.looked_in_vain(waiter)
            parking.pass_on(waiter.woken_for)

        assert [len(waiter.woken_for) for waiter in (first, twin, other)] == [1, 0, 1]


def test_an_agent_with_a_policy_that_goes_away_passes_on_to_its_twin() -> None:
    parking = Parking()
    with parking.park(agent="b", site="north", placements=["p"], capacity=9, policy="one") as twin:
        with parking.park(agent="a", site="north", placements=["p"], capacity=1, policy="one") as gone:
            twin.capacity, before = 9, list(twin.woken_for)
            parking.pass_on(gone.woken_for)
        parking.work_queued("p")

        assert len(twin.woken_for) == len(before) + 1
