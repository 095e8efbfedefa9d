"""Tasks that wait without a slot, end to end: from the author's Python to the attempt that goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.system.place import Place
from tests.system.programs import until

DAGS = '''\
"""Tasks that wait."""

from leasehold import (
    Skip, WaitTimedOut, await_input, context, dag, defer, reschedule, skip_downstream, state, task,
)


@task
def polls():
    looks = state.get("looks", 0) + 1
    state.set("looks", looks)
    if looks < 3:
        reschedule("not yet", after="0s")
    about = context()
    return {"looks": looks, "rescheduled": about.rescheduled, "resumed": about.resumed, "try": about.try_number,
            "began": about.first_started_at is not None, "keys": state.keys()}


@task.sensor(poke_every="10ms", timeout="1h")
def appears():
    state.set("pokes", state.get("pokes", 0) + 1)
    return state.get("pokes") >= 3 and {"pokes": state.get("pokes")}


@task.sensor(poke_every="10ms", timeout="500ms")
def never_appears():
    return None


@task.sensor(poke_every="10ms", timeout="500ms", soft_fail=True)
def is_not_needed():
    return None


@task
def hears():
    first = defer(event="plant/opens")
    second = defer(event="plant/opens")
    return [first, second]


@task
def gives_up():
    try:
        defer(event="never", timeout="10ms")
    except WaitTimedOut as problem:
        return str(problem)


@task
def follows(run: str):
    return defer(run=run)


@task
def asks():
    answer = await_input("Ship to plant north?", options=["yes", "no"], body="**Really?**",
                         params={"tons": {"type": "integer", "minimum": 1}})
    return [answer.chosen, answer.params, answer.by]


@task
def decides():
    skip_downstream("left")
    return "right"


@task
def left(): ...


@task
def right(): ...


@task
def chooses():
    raise Skip("only the other", downstream=["right"])


@task
def mistakes():
    skip_downstream("up")


@dag
def polling():
    polls()


@dag
def sensing():
    appears()


@dag
def given_up():
    never_appears()
    is_not_needed()


@dag
def hearing():
    hears()


@dag
def patience():
    gives_up()


@dag
def following(run: str):
    follows(run)


@dag
def asking():
    asks()


@dag
def deciding():
    one = decides()
    one >> left()
    one >> right()


@dag
def choosing():
    one = chooses()
    one >> left()
    one >> right()


@dag
def mistaken():
    mistakes() >> left()
'''


@pytest.fixture(scope="module")
def waiting(place: Place) -> Place:
    place.deploy("waiting", DAGS)
    return place


def tasks(run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {task["task"]: task for task in run["tasks"]}


def waits(place: Place, run: str, reason: str) -> dict[str, Any]:
    """Return the run's only task once it is deferred for ``reason``."""

    def look() -> dict[str, Any] | None:
        (task,) = place.get(f"runs/{run}")["tasks"]
        return task if task["state"] == "deferred" and reason in task["reason"] else None

    return until(look, f"{run} {reason}")


def test_a_rescheduled_task_goes_on_with_what_it_kept_and_spends_no_try(waiting: Place) -> None:
    (task,) = waiting.run_dag("polling")["tasks"]

    told = {"looks": 3, "rescheduled": 2, "resumed": "reschedule", "try": 1, "began": True, "keys": ["looks"]}
    assert task["result"] == told
    assert task["rescheduled"] == 2


def test_a_sensor_looks_until_there_is_something(waiting: Place) -> None:
    (task,) = waiting.run_dag("sensing")["tasks"]

    assert (task["result"], task["state"]) == ({"pokes": 3}, "success")


def test_a_sensor_gives_up_when_its_time_is_over_all_looks_counted(waiting: Place) -> None:
    run = tasks(waiting.run_dag("given_up"))

    assert {name: task["state"] for name, task in run.items()} == {
        "never_appears": "failed",
        "is_not_needed": "skipped",
    }
    assert "never_appears found nothing in 0.5 s" in run["never_appears"]["reason"]


def test_an_event_reaches_the_task_that_waits_and_the_next_wait_needs_another(waiting: Place) -> None:
    run = waiting.trigger("hearing")
    for number in (1, 2):
        waits(waiting, run, "event plant/opens")
        sent = waiting.command(
            "leasehold", "events", "send", "plant/opens", "--value", f'{{"day": {number}}}', "--json"
        )
        assert json.loads(sent)["resumed"] == 1
        if number == 1:
            until(lambda: waiting.get(f"runs/{run}")["tasks"][0]["epoch"] == 2, "it goes on")

    (task,) = waiting.finished(run)["tasks"]

    assert task["result"] == [{"day": 1}, {"day": 2}]


def test_the_author_decides_what_it_means_that_nothing_came(waiting: Place) -> None:
    (task,) = waiting.run_dag("patience")["tasks"]

    assert "nothing came for event:never:1 in time" in task["result"]


def test_a_task_follows_another_run_and_hears_how_it_ended(waiting: Place) -> None:
    other = waiting.trigger("hearing")
    run = waiting.trigger("following", run=other)
    waits(waiting, run, f"waits for run {other}")

    waiting.cancel(other)

    (task,) = waiting.finished(run)["tasks"]
    assert task["result"] == {"run": other, "state": "cancelled"}


def test_waiting_for_a_run_that_is_not_there_is_the_tasks_error(waiting: Place) -> None:
    (task,) = waiting.run_dag("following", run="run_of_another_team")["tasks"]

    assert task["state"] == "failed"
    assert "there is no run 'run_of_another_team' in this team" in task["reason"]


def test_people_are_asked_and_the_answer_is_returned(waiting: Place) -> None:
    run = waiting.trigger("asking")
    task = waits(waiting, run, "waits for an answer")
    listed = waiting.command("leasehold", "inputs", "list")
    wrong = waiting.command("leasehold", "inputs", "answer", task["input"], "--choose", "perhaps", code=2)
    shown = waiting.command("leasehold", "inputs", "show", task["input"])

    waiting.command("leasehold", "inputs", "answer", task["input"], "--choose", "yes", "--param", "tons=3")

    (done,) = waiting.finished(run)["tasks"]
    assert done["result"] == ["yes", {"tons": 3}, "token:bootstrap"]
    assert "Ship to plant north?" in listed
    assert "Really?" in shown
    assert "'perhaps' is none of the options: yes, no" in " ".join(wrong.split())


def test_cancelling_a_run_closes_what_it_asked(waiting: Place) -> None:
    run = waiting.trigger("asking")
    task = waits(waiting, run, "waits for an answer")

    waiting.cancel(run)

    assert waiting.finished(run)["state"] == "cancelled"
    assert waiting.get(f"inputs/{task['input']}")["state"] == "closed"


def test_a_task_skips_some_of_those_after_it_and_succeeds(waiting: Place) -> None:
    by_call, by_raising = tasks(waiting.run_dag("deciding")), tasks(waiting.run_dag("choosing"))

    assert {name: task["state"] for name, task in by_call.items()} == {
        "decides": "success", "left": "skipped", "right": "success"
    }  # fmt: skip
    assert by_call["left"]["reason"] == "skipped by decides"
    assert {name: task["state"] for name, task in by_raising.items()} == {
        "chooses": "success", "left": "success", "right": "skipped"
    }  # fmt: skip


def test_skipping_what_is_not_downstream_is_the_tasks_error_that_says_what_is(waiting: Place) -> None:
    run = tasks(waiting.run_dag("mistaken"))

    assert "'up' is not directly downstream of 'mistakes': those are left" in run["mistakes"]["reason"]


def test_a_deferral_survives_the_death_of_api_and_agent(waiting: Place) -> None:
    run = waiting.trigger("hearing")
    waits(waiting, run, "event plant/opens")
    api = next(program for program in waiting.programs if program.name == "api")
    port = int(waiting.url.rsplit(":", 1)[1])

    api.kill()
    waiting.serve(name="api-again", port=port)
    waiting.command("leasehold", "events", "send", "plant/opens")
    until(lambda: waiting.get(f"runs/{run}")["tasks"][0]["epoch"] == 2, "it goes on")
    waits(waiting, run, "event plant/opens")
    waiting.cancel(run)

    assert waiting.finished(run)["state"] == "cancelled"
