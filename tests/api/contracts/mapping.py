"""What every store promises of mapped tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from leasehold_api.acting import By
from leasehold_api.leases.claimed import Claimed
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_leases import SqlLeases
from leasehold_api.storage.sql_runs import SqlRuns
from leasehold_protocol.v1.leases import EndingKind
from leasehold_protocol.v1.manifest import RESULT_KEY
from tests.support.databases import open_database
from tests.support.world import NORTH, TEAM, World, outcome, program

LITERAL = {"kind": "literal", "value": ["north", "south", "east"]}


def mapped(name: str, *upstream: str, over: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """Return the entry of a program that is mapped; ``over`` is variable → source."""
    axes = [{"name": variable, "source": source} for variable, source in over.items()]
    env = {variable: {"kind": "item", "name": variable} for variable in over}
    work = {"kind": "program", "argv": [{"kind": "literal", "value": "true"}], "env": env}
    return {"id": name, "work": work, "mapped": {"axes": axes}, "upstream": list(upstream), **settings}


def result(task: str, kind: str = "result") -> dict[str, Any]:
    """Return the expression for what a task returned."""
    return {"kind": kind, "task": task}


def items(claims: list[Claimed]) -> list[list[Any]]:
    """Return the values of each lease's item."""
    return [[part.value for part in claimed.item or []] for claimed in claims]


class MappingContract:
    """Inherited once per database."""

    kind: str

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        with open_database(self.kind) as (database, _):
            yield await World(database).settle()

    async def test_a_list_in_the_dag_makes_an_instance_of_each_item(self, world: World) -> None:
        await world.run(mapped("load", over={"SITE": LITERAL}))

        claims = await world.claim(most=8)

        assert [claimed.map_index for claimed in claims] == [0, 1, 2]
        assert items(claims) == [["north"], ["south"], ["east"]]
        assert all('"north"' not in claimed.entry.model_dump_json() for claimed in claims)

    async def test_instances_are_made_when_the_upstream_has_returned_what_they_are_for(self, world: World) -> None:
        run = await world.run(program("find"), mapped("load", "find", over={"FILE": result("find")}))
        (finding,) = await world.claim(most=8)
        before = await instances(world, run, "load")

        await world.end(finding, result={"a.csv": 1, "b.csv": 2})
        claims = await world.claim(most=8)

        assert before == {-1: "none"}
        assert items(claims) == [
            [{"$type": "tuple", "value": ["a.csv", 1]}],
            [{"$type": "tuple", "value": ["b.csv", 2]}],
        ]

    async def test_several_names_give_all_combinations_and_the_last_varies_fastest(self, world: World) -> None:
        two = {"kind": "literal", "value": [1, 2]}
        await world.run(mapped("load", over={"SITE": LITERAL, "LEVEL": two}))

        claims = await world.claim(most=8)

        assert items(claims) == [[site, level] for site in ("north", "south", "east") for level in (1, 2)]

    async def test_what_comes_after_waits_for_all_instances_and_gets_their_results_in_order(self, world: World) -> None:
        after = program("sum", "load")
        after["work"]["argv"][1] = result("load", "results")
        run = await world.run(mapped("load", over={"SITE": LITERAL}), after)
        claims = await world.claim(most=8)

        for claimed in reversed(claims):
            assert (await world.states(run))["sum"] == "none"
            await world.end(claimed, result=f"loaded {claimed.map_index}")
        (summing,) = await world.claim(most=8)
        (given,) = summing.inputs

        assert (given.inline, given.mapped, given.value) == (True, True, ["loaded 0", "loaded 1", "loaded 2"])
        await world.end(summing)
        assert (await world.look(run)).state == "success"

    async def test_a_task_after_two_mapped_tasks_waits_for_both(self, world: World) -> None:
        run = await world.run(
            mapped("a", over={"SITE": LITERAL}), mapped("b", over={"SITE": LITERAL}), program("c", "a", "b")
        )
        claims = await world.claim(most=8)

        for claimed in claims[:-1]:
            await world.end(claimed)
        before = (await world.states(run))["c"]
        await world.end(claims[-1])

        assert (len(claims), before, (await world.states(run))["c"]) == (6, "none", "queued")

    async def test_a_mapped_task_may_be_mapped_over_what_the_instances_of_another_left(self, world: World) -> None:
        run = await world.run(
            mapped("read", over={"SITE": LITERAL}), mapped("write", "read", over={"ROWS": result("read", "results")})
        )
        for claimed in await world.claim(most=8):
            await world.end(claimed, result=f"rows {claimed.map_index}")

        claims = await world.claim(most=8)

        assert [claimed.entry.id for claimed in claims] == ["write"] * 3
        assert items(claims) == [["rows 0"], ["rows 1"], ["rows 2"]]
        for claimed in claims:
            await world.end(claimed)
        assert (await world.look(run)).state == "success"

    async def test_instances_that_left_nothing_are_no_items(self, world: World) -> None:
        await world.run(
            mapped("read", over={"SITE": LITERAL}),
            mapped(
                "write",
                "read",
                over={"ROWS": {**result("read", "results"), "key": "return_value"}},
                trigger_rule="all_done",
            ),
        )
        for claimed in await world.claim(most=8):
            kind = EndingKind.SKIPPED if claimed.map_index == 1 else EndingKind.SUCCESS
            await world.end(claimed, kind, result=f"rows {claimed.map_index}")

        assert items(await world.claim(most=8)) == [["rows 0"], ["rows 2"]]

    async def test_nothing_to_map_over_is_skipped(self, world: World) -> None:
        run = await world.run(
            program("find"), mapped("load", "find", over={"FILE": result("find")}), program("sum", "load")
        )
        (finding,) = await world.claim()

        await world.end(finding, result=[])

        assert await world.states(run) == {"find": "success", "load": "skipped", "sum": "skipped"}
        assert (await world.look(run)).state == "success"
        assert "is empty" in ((await world.task(run, "load")).reason or "")

    @pytest.mark.parametrize(("value", "said"), [("text", "is text"), (7, "is a number"), (None, "is nothing")])
    async def test_what_has_no_items_fails_the_mapped_task_with_the_reason(
        self, world: World, value: Any, said: str
    ) -> None:
        run = await world.run(
            program("find"), mapped("load", "find", over={"FILE": result("find")}), program("sum", "load")
        )
        (finding,) = await world.claim()

        await world.end(finding, result=value)

        assert await world.states(run) == {"find": "success", "load": "failed", "sum": "upstream_failed"}
        reason = (await world.task(run, "load")).reason or ""
        assert "what find returned" in reason
        assert said in reason

    async def test_more_instances_than_the_service_allows_are_none(self, world: World) -> None:
        plans = Plans(max_map_length=2)
        world.runs, world.leases = SqlRuns(world.database, plans), SqlLeases(world.database, plans)

        run = await world.run(mapped("load", over={"SITE": LITERAL}))

        assert await world.states(run) == {"load": "failed"}
        assert "max_map_length" in ((await world.task(run, "load")).reason or "")
        assert (await world.look(run)).state == "failed"

    async def test_a_failed_upstream_leaves_a_mapped_task_unexpanded(self, world: World) -> None:
        run = await world.run(program("find"), mapped("load", "find", over={"FILE": result("find")}))
        (finding,) = await world.claim()

        await world.end(finding, EndingKind.FAILED, message="no such folder")

        assert await instances(world, run, "load") == {-1: "upstream_failed"}

    async def test_one_instance_is_tried_again_by_itself(self, world: World) -> None:
        run = await world.run(mapped("load", over={"SITE": LITERAL}, retries=1, retry_delay_s=0))
        claims = await world.claim(most=8)
        await world.end(claims[1], EndingKind.FAILED, message="oops")
        await world.leases.queue_due(now=world.now)

        (again,) = await world.claim(most=8)

        assert (again.map_index, again.try_number, items([again])) == (1, 2, [["south"]])
        for claimed in (claims[0], again, claims[2]):
            await world.end(claimed)
        assert (await world.look(run)).state == "success"

    async def test_a_failed_instance_fails_what_comes_after_and_the_others_go_on(self, world: World) -> None:
        run = await world.run(mapped("load", over={"SITE": LITERAL}), program("sum", "load"))
        first, second, third = await world.claim(most=8)

        await world.end(first, EndingKind.FAILED, message="oops")

        assert (await world.states(run))["sum"] == "upstream_failed"
        await world.end(second)
        await world.end(third)
        assert (await world.look(run)).state == "failed"

    async def test_a_cancelled_run_ends_all_instances_and_makes_no_more(self, world: World) -> None:
        over = {"FILE": result("find")}
        run = await world.run(
            mapped("load", over={"SITE": LITERAL}),
            program("find"),
            mapped("more", "find", over=over),
            program("sum", "load"),
        )
        claims = await world.claim(most=1)

        await world.runs.cancel(TEAM, run, reason="wrong day", by=By(actor="tester", address=None, at=world.now))
        await world.end(claims[0], EndingKind.CANCELLED)

        detail = await world.look(run)
        assert detail.state == "cancelled"
        assert Counter(task.state.value for task in detail.tasks) == {"cancelled": 6}

    async def test_an_item_of_a_large_list_is_named_by_its_position(self, world: World) -> None:
        over = {"FILE": result("find"), "LEVEL": {"kind": "literal", "value": [1, 2]}}
        await world.run(program("find"), mapped("load", "find", over=over))
        (finding,) = await world.claim()
        await world.attempts.put_xcom(
            NORTH.agent_id, finding.attempt, RESULT_KEY, value=None, size=10**9, upload="ab" * 32, length=3
        )
        success = outcome(finding, EndingKind.SUCCESS, world.now).model_copy(update={"xcoms": []})

        await world.leases.complete(NORTH, [success], now=world.now)
        claims = await world.claim(most=8)

        large, small = zip(*((claimed.item or []) for claimed in claims), strict=True)
        assert [(part.index, part.given) for part in large] == [(n // 2, False) for n in range(6)]
        assert [part.value for part in small] == [1, 2] * 3

    async def test_more_than_a_few_results_do_not_travel_with_the_lease(self, world: World) -> None:
        after = program("sum", "load")
        after["work"]["argv"][1] = result("load", "results")
        await world.run(mapped("load", over={"N": {"kind": "literal", "value": list(range(65))}}), after)
        for most in (64, 1):
            claims = await world.claim(most=most)
            ended = [outcome(claimed, EndingKind.SUCCESS, world.now, claimed.map_index) for claimed in claims]
            await world.leases.complete(NORTH, ended, now=world.now)

        (summing,) = await world.claim(most=8)

        assert [(given.inline, given.mapped, given.value) for given in summing.inputs] == [(False, True, None)]

    async def test_outcomes_that_come_together_take_effect_as_one_by_one(self, world: World) -> None:
        run = await world.run(
            mapped("load", over={"SITE": LITERAL}, retries=1), program("sum", "load", trigger_rule="all_done")
        )
        first, second, third = await world.claim(most=8)
        together = [
            outcome(first, EndingKind.SUCCESS, world.now, 1),
            outcome(second, EndingKind.FAILED, world.now),
            outcome(third, EndingKind.SKIPPED, world.now),
            outcome(first, EndingKind.FAILED, world.now).model_copy(update={"attempt": "ti_unknown.1"}),
        ]

        said = await world.leases.complete(NORTH, together, now=world.now)
        again = await world.leases.complete(NORTH, together[:1] * 2, now=world.now)

        assert [ack.verdict.value for ack in said] == ["recorded", "recorded", "recorded", "refused"]
        assert [ack.verdict.value for ack in again] == ["duplicate", "duplicate"]
        assert await instances(world, run, "load") == {0: "success", 1: "up_for_retry", 2: "skipped"}
        assert (await world.states(run))["sum"] == "none"

    async def test_thousands_of_instances_are_made_at_once(self, world: World) -> None:
        many = {"kind": "literal", "value": list(range(2500))}
        run = await world.run(mapped("load", over={"N": many}), program("sum", "load"))

        found = await instances(world, run, "load")
        claims = await world.claim(most=64)

        assert found == dict.fromkeys(range(2500), "queued")
        assert items(claims) == [[number] for number in range(64)]


async def instances(world: World, run: str, task: str) -> dict[int, str]:
    """Return map index → state of a task's instances."""
    return {one.map_index: one.state.value for one in (await world.look(run)).tasks if one.task == task}
