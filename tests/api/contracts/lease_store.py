"""What every lease store promises."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy

from leasehold_api.acting import By
from leasehold_api.errors import ApiError, ConflictError, LeaseLostError
from leasehold_api.signals import Signal, Topic
from leasehold_protocol.v1.leases import EndingKind, HeldLease
from tests.api.contracts.in_a_world import InAWorld
from tests.support.world import NORTH, SOUTH, TEAM, World, outcome, program


class LeaseStoreContract(InAWorld):
    """Inherited once per database."""

    async def test_a_task_without_upstreams_can_be_leased_at_once(self, world: World) -> None:
        run = await world.run(program("extract"))

        (claimed,) = await world.claim()

        assert (claimed.entry.id, claimed.epoch, claimed.try_number) == ("extract", 1, 1)
        assert await world.states(run) == {"extract": "running"}

    async def test_what_is_leased_is_not_leased_again(self, world: World) -> None:
        await world.run(program("extract"))
        await world.claim()

        assert await world.claim(SOUTH) == []

    async def test_claims_that_meet_never_share_a_task_instance(self, world: World) -> None:
        await world.run(*(program(f"part-{n}") for n in range(40)))

        claims = await asyncio.gather(*(world.claim(NORTH if n % 2 else SOUTH, most=4) for n in range(12)))

        taken = [claimed.task_instance for claim in claims for claimed in claim]
        assert len(taken) == len(set(taken)) == 40

    async def test_the_higher_priority_is_leased_first_and_then_the_older(self, world: World) -> None:
        await world.run(program("late", priority=0), dag="first")
        world.now += 1
        await world.run(program("urgent", priority=5), program("later", priority=0), dag="second")

        order = [claimed.entry.id for _ in range(3) for claimed in await world.claim()]

        assert order == ["urgent", "late", "later"]

    async def test_a_site_gets_only_what_it_offers_the_needs_of(self, world: World) -> None:
        await world.run(program("there", needs={"labels": {"zone": "south"}}))

        assert await world.claim(NORTH) == []
        assert [claimed.entry.id for claimed in await world.claim(SOUTH)] == ["there"]

    async def test_a_task_that_no_site_can_run_says_what_is_missing(self, world: World) -> None:
        run = await world.run(program("there", needs={"labels": {"gpu": ">=1"}, "connections": ["mars_db"]}))

        reason = (await world.task(run, "there")).reason

        assert reason == "no site offers what it needs: connection mars_db, label gpu>=1"

    async def test_success_queues_the_successor_and_hands_it_the_result(self, world: World) -> None:
        run = await world.run(program("extract"), program("load", "extract"))
        (first,) = await world.claim()

        verdict = await world.end(first, result={"rows": 7})

        assert verdict == "recorded"
        (second,) = await world.claim(SOUTH)
        assert second.entry.id == "load"
        assert [(i.task, i.inline, i.value) for i in second.inputs] == [("extract", True, {"rows": 7})]
        await world.end(second, by=SOUTH)
        assert (await world.look(run)).state == "success"

    async def test_a_successor_waits_for_all_its_upstreams(self, world: World) -> None:
        run = await world.run(program("a"), program("b"), program("join", "a", "b"))
        first, second = await world.claim(most=2)

        await world.end(first)

        assert (await world.states(run))["join"] == "none"
        await world.end(second)
        assert (await world.states(run))["join"] == "queued"

    async def test_failure_marks_everything_after_it_and_the_run(self, world: World) -> None:
        run = await world.run(
            program("a"), program("b", "a"), program("c", "b"), program("tidy", "c", trigger_rule="all_done")
        )
        (first,) = await world.claim()

        await world.end(first, EndingKind.FAILED, message="exit status 3")

        assert await world.states(run) == {
            "a": "failed",
            "b": "upstream_failed",
            "c": "upstream_failed",
            "tidy": "queued",
        }
        (tidy,) = await world.claim()
        await world.end(tidy)
        assert (await world.look(run)).state == "success", "as in Airflow: the leaf decides"

    async def test_a_skipped_task_skips_what_follows(self, world: World) -> None:
        run = await world.run(program("a"), program("b", "a"))
        (first,) = await world.claim()

        await world.end(first, EndingKind.SKIPPED)

        assert await world.states(run) == {"a": "skipped", "b": "skipped"}
        assert (await world.look(run)).state == "success"

    async def test_a_failed_task_is_tried_again_after_its_delay(self, world: World) -> None:
        run = await world.run(program("flaky", retries=1, retry_delay_s=30))
        (first,) = await world.claim()

        await world.end(first, EndingKind.FAILED)

        assert await world.states(run) == {"flaky": "up_for_retry"}
        assert await world.leases.next_deadline() == world.now + 30
        assert await world.leases.queue_due(now=world.now + 29) == 0
        world.now += 30
        assert await world.leases.queue_due(now=world.now) == 1
        (second,) = await world.claim()
        assert (second.try_number, second.epoch) == (2, 2)
        await world.end(second, EndingKind.FAILED)
        assert (await world.look(run)).state == "failed"

    async def test_an_outcome_delivered_twice_takes_effect_once(self, world: World) -> None:
        run = await world.run(program("a", retries=3))
        (first,) = await world.claim()
        await world.end(first, EndingKind.FAILED)

        assert await world.end(first, EndingKind.FAILED) == "duplicate"
        assert (await world.task(run, "a")).state == "up_for_retry"

    async def test_an_outcome_from_an_agent_that_never_had_the_attempt_is_refused(self, world: World) -> None:
        run = await world.run(program("a"))
        (first,) = await world.claim(NORTH)

        assert await world.end(first, by=SOUTH) == "refused"
        assert await world.states(run) == {"a": "running"}

    async def test_outcomes_in_one_batch_are_answered_each_for_itself(self, world: World) -> None:
        await world.run(program("a"), program("b"))
        first, second = await world.claim(most=2)
        alien = outcome(first, EndingKind.SUCCESS, world.now).model_copy(update={"attempt": "nonsense"})

        acks = await world.leases.complete(
            NORTH,
            [outcome(first, EndingKind.SUCCESS, world.now), alien, outcome(second, EndingKind.SUCCESS, world.now)],
            now=world.now,
        )

        assert [ack.verdict.value for ack in acks] == ["recorded", "refused", "recorded"]

    async def test_an_outcome_that_can_not_be_stored_is_refused_alone(self, world: World) -> None:
        run = await world.run(program("a"), program("b"))
        first, second = await world.claim(most=2)
        bad = outcome(first, EndingKind.FAILED, world.now, exit_code=2**70)

        acks = await world.leases.complete(NORTH, [bad, outcome(second, EndingKind.SUCCESS, world.now)], now=world.now)

        assert [ack.verdict.value for ack in acks] == ["refused", "recorded"]
        assert (await world.task(run, first.entry.id)).state == "running"

    async def test_a_message_with_nul_is_recorded(self, world: World) -> None:
        run = await world.run(program("a"))
        (first,) = await world.claim()

        assert await world.end(first, EndingKind.FAILED, message="broken: \0") == "recorded"
        assert (await world.task(run, "a")).reason == "broken: \ufffd"

    async def test_a_claim_walks_the_index_of_what_is_queued(self, world: World) -> None:
        await world.run(program("a"), program("b"))
        walked: list[str] = []

        def remember(_c: object, _k: object, statement: str, parameters: object, *_: object) -> None:
            if "UPDATE task_instances" in statement and "epoch + 1" in statement:
                walked.append(statement)
                self.parameters = parameters

        sqlalchemy.event.listen(world.database.engine, "before_cursor_execute", remember)
        await world.claim()

        def explain(connection: sqlalchemy.Connection) -> str:
            explained = "EXPLAIN QUERY PLAN " if self.kind == "sqlite" else "EXPLAIN "
            if self.kind == "postgresql":
                connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            return str(connection.exec_driver_sql(explained + walked[0], self.parameters).all())

        assert "ix_task_instances_claim" in await world.database.read(explain)

    async def test_cancelling_stops_what_waits_at_once_and_asks_for_what_runs(self, world: World) -> None:
        run = await world.run(program("a"), program("b", "a"))
        (first,) = await world.claim()

        await world.runs.cancel(TEAM, run, reason="changed my mind", by=By(actor="tester", at=world.now))

        assert await world.states(run) == {"a": "running", "b": "cancelled"}
        assert await world.leases.cancellations(NORTH.agent_id) == [(first.attempt, "changed my mind")]
        (renewed,) = await world.leases.renew(NORTH, [HeldLease(attempt=first.attempt)], now=world.now)
        assert renewed.renewal.verdict == "cancelled"
        await world.end(first, EndingKind.CANCELLED)
        assert (await world.look(run)).state == "cancelled"
        with pytest.raises(ConflictError):
            await world.runs.cancel(TEAM, run, reason="again", by=By(actor="tester", at=world.now))

    async def test_a_cancelled_task_whose_agent_is_gone_ends_with_its_lease(self, world: World) -> None:
        run = await world.run(program("a", max_offline_s=60))
        await world.claim()
        await world.runs.cancel(TEAM, run, reason="stop", by=By(actor="tester", at=world.now))

        await world.leases.expire(now=world.now + 60)

        assert (await world.look(run)).state == "cancelled"

    async def test_an_xcom_of_a_stale_epoch_is_refused(self, world: World) -> None:
        await world.run(program("a", max_offline_s=60))
        (first,) = await world.claim(NORTH)
        await world.attempts.put_xcom(NORTH.agent_id, first.attempt, "rows", value="1", size=1, upload=None)
        world.now += 60
        await world.leases.expire(now=world.now)
        (second,) = await world.claim(SOUTH)

        with pytest.raises(LeaseLostError):
            await world.attempts.put_xcom(NORTH.agent_id, first.attempt, "rows", value="2", size=1, upload=None)
        await world.attempts.put_xcom(SOUTH.agent_id, second.attempt, "rows", value="3", size=1, upload=None)

    async def test_xcoms_of_an_earlier_try_are_not_seen(self, world: World) -> None:
        run = await world.run(program("a", retries=1, retry_delay_s=0))
        (first,) = await world.claim()
        await world.attempts.put_xcom(NORTH.agent_id, first.attempt, "partial", value="1", size=1, upload=None)
        await world.end(first, EndingKind.FAILED)
        await world.leases.queue_due(now=world.now)
        await world.claim()

        assert (await world.runs.xcoms(TEAM, run)).items == []

    async def test_a_full_queue_refuses_the_next_run(self, world: World) -> None:
        await world.run(program("a"), program("b"), most_queued=2)

        with pytest.raises(ApiError) as refused:
            await world.run(program("c"), dag="other", most_queued=2)

        assert refused.value.code == "queue_full"

    async def test_an_agent_never_holds_more_than_its_site_allows(self, world: World) -> None:
        await world.run(*(program(f"part-{n}") for n in range(70)))

        taken = [claimed for _ in range(5) for claimed in await world.claim(most=32)]

        assert len(taken) == 64

    async def test_whoever_waits_is_told_what_was_queued_after_it_is_durable(self, world: World) -> None:
        await world.run(program("a"), program("b", "a"))
        (first,) = await world.claim()
        self.published.clear()

        await world.end(first)

        assert [signal.topic for signal in self.published].count(Topic.QUEUED) == 1
        assert Signal(Topic.RUN, first.run.run) in self.published
