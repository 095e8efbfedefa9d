"""Tasks that wait, in ``leasehold.testing.run``: nobody waits, and what they wait for comes from the test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leasehold import (
    Answer,
    Reschedule,
    Retry,
    await_input,
    context,
    dag,
    defer,
    errors,
    set_label,
    shell,
    skip_downstream,
    state,
    task,
)
from leasehold.testing import GivenRun, RunFailedError, run, run_task
from leasehold.testing.going_on import MOST_RESCHEDULES

LOOKS: list[float] = []


@task.sensor(poke_every="30s", timeout="2h")
def arrived(after: int) -> str:
    LOOKS.append(context().running_for)
    return "report.csv" if len(LOOKS) > after else ""


@task.sensor(poke_every="30s", timeout="2h", soft_fail=True)
def missing() -> None: ...


@task.sensor(poke_every="1m")
def endless() -> None: ...


@pytest.fixture(autouse=True)
def fresh() -> None:
    LOOKS.clear()


def test_a_sensor_looks_again_at_once_and_its_clock_has_moved() -> None:
    found = run_task(arrived, 3)

    assert (found.result, found.tries, found.rescheduled, found.waited_s) == ("report.csv", 1, 3, 90.0)
    assert [round(at) for at in LOOKS] == [0, 30, 60, 90]


def test_a_sensor_gives_up_when_its_time_is_over_on_that_clock() -> None:
    with pytest.raises(Exception, match=r"arrived found nothing in 7200 s, looking 241 times"):
        run_task(arrived, 1000)
    assert run_task(missing).state == "skipped"


def test_a_sensor_that_would_look_for_ever_fails_with_the_cure() -> None:
    with pytest.raises(RunFailedError, match=f"asked {MOST_RESCHEDULES} times .* and would go on for ever: give"):
        run_task(endless)


@task(retries=1)
def ship(order: str) -> dict[str, Any]:
    state.set("begun", [*state.get("begun", []), context().resumed])
    defer(after="1h")
    answer = await_input(f"Ship {order}?", options=["yes", "no"], params={"tons": {"type": "integer", "default": 3}})
    loaded = defer(event=f"loaded/{order}", timeout="1w")
    if context().try_number == 1:
        raise ConnectionError("not yet")
    return {"chosen": answer.chosen, "tons": answer.params["tons"], "by": answer.by, "loaded": loaded}


@dag
def shipping(order: str = "7") -> None:
    ship(order)


def test_what_a_task_waits_for_comes_from_the_test_and_is_kept_for_the_next_try() -> None:
    result = run(shipping, answers={"Ship 7?": "yes"}, events={"loaded/7": {"at": "dock"}})

    found = result.tasks["ship"]
    assert found.result == {"chosen": "yes", "tons": 3, "by": "user:test", "loaded": {"at": "dock"}}
    assert found.state_kept == {"begun": [None, "defer", "input", "defer", None]}
    assert (found.tries, found.waited_s) == (2, 3630.0)


ANSWERS = {
    "option": ("no", "no", 3),
    "params": (("yes", {"tons": 5}), "yes", 5),
    "answer": (
        Answer({"value": {"chosen": ["no"], "params": {"tons": 1}}, "at": "2026-11-22T06:00:00Z"}, multiple=False),
        "no",
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "chosen", "tons"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_given_in_any_form(given: object, chosen: str, tons: int) -> None:
    result = run(shipping, answers={"Ship 7?": given}, events={"loaded/7": None}).tasks["ship"].result

    assert (result["chosen"], result["tons"], result["loaded"]) == (chosen, tons, None)


WRONG = {
    "no answer": ({}, r"waits for an answer to 'Ship 7\?': give the test one, run\(…, answers=\{'Ship 7\?': 'yes'\}\)"),
    "no event": (
        {"Ship 7?": "yes"},
        r'waits for the event \'loaded/7\': give the test one, run\(…, events=\{"loaded/7"',
    ),
    "no option": ({"Ship 7?": "perhaps"}, "'perhaps' is none of the options: yes, no"),
    "no choice": ({"Ship 7?": {"tons": 3}}, "exactly one of the options is needed"),
    "no such param": ({"Ship 7?": ("yes", {"kilos": 3})}, "the question has no param 'kilos': tons"),
    "wrong param": ({"Ship 7?": ("yes", {"tons": "many"})}, "the param 'tons' is 'many'"),
    "no answer at all": ({"Ship 7?": 7}, "7 can't be an answer"),
    "too late, for ever": ({"Ship 7?": errors.WaitTimedOut()}, "without a time-out"),
}


@pytest.mark.parametrize(("answers", "says"), WRONG.values(), ids=WRONG)
def test_what_is_missing_or_does_not_fit_fails_the_run_with_what_to_give(answers: dict[str, Any], says: str) -> None:
    with pytest.raises(RunFailedError, match=says):
        run(shipping, answers=answers)


@task
def late() -> list[object]:
    said = await_input("Go on?", options=["yes", "no"], default="no", timeout="2d")
    try:
        defer(event="opened", timeout="1h")
    except errors.WaitTimedOut as problem:
        return [said.chosen, said.by, str(problem)]
    return []


def test_what_comes_too_late_is_a_default_or_an_error_to_the_task() -> None:
    found = run_task(late, answers={"Go on?": errors.WaitTimedOut()}, events={"opened": errors.WaitTimedOut()})

    assert found.result == ["no", None, "defer: nothing came for event:opened:1 in time"]
    assert found.waited_s == 2 * 86400 + 3600


@task
def asks_thrice() -> list[object]:
    return [defer(event="opened") for _ in range(3)] + [defer(until=datetime.now(UTC) + timedelta(days=2), key="later")]


def test_a_loop_waits_anew_each_time() -> None:
    assert run_task(asks_thrice, events={"opened": 1}).result == [1, 1, 1, None]


@task
def waits_for(run_id: str) -> object:
    return defer(run=run_id, states=["success"])


def test_a_run_that_is_given_has_ended_as_it_says() -> None:
    given = [GivenRun("2026-11-21", run="run_1"), GivenRun("2026-11-20", "failed", run="run_2")]
    given.append(GivenRun("2026-11-19", "running", run="run_3"))

    assert run_task(waits_for, "run_1", runs=given).result == {"run": "run_1", "state": "success"}
    with pytest.raises(errors.RefusedError, match="run run_2 ended as failed, not as success"):
        run_task(waits_for, "run_2", runs=given)
    with pytest.raises(errors.RefusedError, match="there is no run 'run_4' in this team"):
        run_task(waits_for, "run_4", runs=given)
    with pytest.raises(RunFailedError, match="run_3, which is given as running"):
        run_task(waits_for, "run_3", runs=given)
    with pytest.raises(RunFailedError, match="a task can't wait for its own run to end"):
        run_task(waits_for, "test", runs=given)


@task
def too_many() -> None:
    for number in range(101):
        defer(after=1, key=f"wait/{number}")


def test_a_task_waits_for_a_hundred_things() -> None:
    with pytest.raises(RunFailedError, match="has waited for 100 different things"):
        run_task(too_many)


@task(retries=3)
def counts() -> int:
    state.set("tries", state.get("tries", 0) + 1)
    state.set("short", True, expires_after="10s")
    state.delete("never")
    if state.get("tries") == 1:
        raise Retry("later", after="5s")
    if state.get("tries") == 2:
        raise Reschedule("later", at=datetime.now(UTC) + timedelta(hours=1))
    return len(state.keys())


def test_state_is_kept_across_tries_and_expires_by_the_clock_of_the_run() -> None:
    found = run_task(counts.override(retries=3), raise_on_failure=False)
    assert (found.state, found.state_kept) == ("failed", {"short": True, "tries": 1})

    @dag
    def counting() -> None:
        counts()

    found = run(counting).tasks["counts"]
    assert (found.result, found.tries, found.rescheduled) == (2, 2, 1)
    assert found.waited_s == pytest.approx(3600, abs=30), "the clocks of author's code stay as they are"


@task
def sorts(what: str) -> None:
    set_label(f"parcel {what}")
    skip_downstream("by_sea")


@task
def by_sea() -> None: ...


@task
def by_air() -> None: ...


@task(trigger_rule="all_done")
def done() -> None: ...


def test_what_a_task_skips_downstream_is_skipped_and_what_follows_goes_by_its_rule() -> None:
    @dag
    def parcels() -> None:
        first = sorts("7")
        sea, air, last = by_sea(), by_air(), done()
        first >> [sea, air] >> last  # type: ignore[operator]

    result = run(parcels)

    assert {name: found.state for name, found in result.tasks.items()} == {
        "sorts": "success", "by_sea": "skipped", "by_air": "success", "done": "success",
    }  # fmt: skip
    assert result.tasks["sorts"].label == "parcel 7"
    assert result.tasks["by_sea"].error == "skipped by sorts"


def test_a_program_that_is_deferred_goes_on_too() -> None:
    line = (
        'ask() { curl -sSf --unix-socket "$LEASEHOLD_TASK_SOCKET" '
        '-H "Authorization: Bearer $LEASEHOLD_TASK_SECRET" "$@"; }; '
        'ask http://t/v1/context | grep -o \'"verdict": "came"\' || '
        """ask -X PUT http://t/v1/ending -d '{"kind":"deferred","wait":{"key":"k","kind":"event","event":"opened"}}'"""
    )

    @dag
    def programs() -> None:
        shell(line, id="waits")

    assert run(programs, events={"opened": 1}).tasks["waits"].result == '"verdict": "came"'
