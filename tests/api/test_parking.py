"""Agents that wait are woken one by one, for what they can run, and nothing is forgotten on the way."""

from __future__ import annotations

import asyncio

import pytest

from leasehold_api.leases.parking import Parking, Waiter, Wake


@pytest.fixture
def parking() -> Parking:
    return Parking()


async def is_woken(waiter: Waiter) -> bool:
    """Return whether the waiter has been woken already."""
    return await waiter.wait(0.001)


async def test_one_task_wakes_one_agent_the_one_that_waits_longest(parking: Parking) -> None:
    with (
        parking.park(agent="a", site="north", placements=["p"], capacity=1) as first,
        parking.park(agent="b", site="north", placements=["p"], capacity=1) as second,
    ):
        parking.work_queued("p")

        assert await is_woken(first)
        assert not await is_woken(second)


async def test_an_agent_is_woken_for_as_many_as_it_has_slots_and_then_the_next(parking: Parking) -> None:
    with (
        parking.park(agent="a", site="north", placements=["p", "q"], capacity=2) as first,
        parking.park(agent="b", site="north", placements=["p"], capacity=2) as second,
    ):
        for placement in ("p", "q", "p"):
            parking.work_queued(placement)

        assert [wake.placement for wake in first.woken_for] == ["p", "q"]
        assert [wake.placement for wake in second.woken_for] == ["p"]


async def test_an_agent_is_not_woken_for_what_its_site_does_not_offer(parking: Parking) -> None:
    with parking.park(agent="a", site="north", placements=["p"], capacity=1) as waiter:
        parking.work_queued("q")

        assert not await is_woken(waiter)


async def test_what_one_did_not_take_wakes_the_next(parking: Parking) -> None:
    with parking.park(agent="b", site="north", placements=["p"], capacity=1) as second:
        with parking.park(agent="a", site="north", placements=["p"], capacity=4) as gone:
            second.capacity = 1
        parking.pass_on([Wake("p")])

        assert not gone.woken_for
        assert await is_woken(second)


async def test_news_for_an_agent_that_is_not_here_waits_for_it(parking: Parking) -> None:
    parking.agent_called("a")

    with parking.park(agent="a", site="north", placements=[], capacity=1) as waiter:
        assert waiter.called
        assert await is_woken(waiter)
    with parking.park(agent="a", site="north", placements=[], capacity=1) as again:
        assert not again.called


async def test_a_change_of_a_site_wakes_all_its_agents_and_no_others(parking: Parking) -> None:
    with (
        parking.park(agent="a", site="north", placements=[], capacity=1) as a,
        parking.park(agent="b", site="north", placements=[], capacity=1) as b,
        parking.park(agent="c", site="south", placements=[], capacity=1) as c,
    ):
        parking.site_changed("north")

        assert [await is_woken(each) for each in (a, b, c)] == [True, True, False]


async def test_sites_that_wait_for_the_same_get_shares_by_their_weights(parking: Parking) -> None:
    with (
        parking.park(agent="a", site="north", placements=["p"], capacity=99, weight=30) as heavy,
        parking.park(agent="b", site="south", placements=["p"], capacity=99, weight=10) as light,
        parking.park(agent="c", site="spare", placements=["p"], capacity=99, weight=0) as spare,
    ):
        for _ in range(12):
            parking.work_queued("p")

        assert [len(each.woken_for) for each in (heavy, light, spare)] == [9, 3, 0]


async def test_a_site_of_weight_0_gets_what_no_other_site_waits_for(parking: Parking) -> None:
    with (
        parking.park(agent="c", site="spare", placements=["p"], capacity=2, weight=0) as spare,
        parking.park(agent="a", site="north", placements=["p"], capacity=1, weight=10) as north,
    ):
        parking.work_queued("p")
        parking.work_queued("p")

        assert [len(each.woken_for) for each in (north, spare)] == [1, 1]


async def test_agents_that_can_take_nothing_do_not_wake_each_other_for_ever(parking: Parking) -> None:
    looks = 0

    async def look_in_vain(name: str) -> None:
        nonlocal looks
        while looks < 50:
            with parking.park(agent=name, site="north", placements=["p"], capacity=1) as waiter:
                if not await waiter.wait(0.2):
                    return
                looks += 1
                parking.looked_in_vain(waiter)
                woken_for = list(waiter.woken_for)
            parking.pass_on(woken_for)

    async with asyncio.TaskGroup() as group:
        for name in ("a", "b", "c"):
            group.create_task(look_in_vain(name))
        await asyncio.sleep(0)
        parking.work_queued("p")

    assert looks == 3, "each looked once"


async def test_closing_answers_everyone_now_and_from_now_on(parking: Parking) -> None:
    with parking.park(agent="a", site="north", placements=["p"], capacity=1) as waiter:
        parking.close()

        assert await is_woken(waiter)
    with parking.park(agent="b", site="north", placements=["p"], capacity=1) as late:
        assert await is_woken(late)


async def test_nothing_is_left_behind_by_those_who_leave(parking: Parking) -> None:
    async def wait_and_go(n: int) -> None:
        with parking.park(agent=f"a{n}", site="north", placements=["p", "q"], capacity=1) as waiter:
            await waiter.wait(0.001)

    await asyncio.gather(*(wait_and_go(n) for n in range(50)))

    assert len(parking) == 0
    parking.work_queued("p")
