"""What the agent can tell a host, and what a host does without one."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from leasehold_protocol.v1.leases import Input
from leasehold_protocol.v1.manifest import LiteralValue, ProgramWork, ResultValue
from tests.edge_agent.host.harness import PATIENCE_S, Attempt, boottime, is_alive, read_line, shell

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def say(): print(os.getpid(), file=open("pids", "w"), flush=True)
if os.fork() == 0:
    say()
    if os.fork() == 0:
        os.setsid()
        if os.fork(): os._exit(0)
        os.setsid()
        for fd in range(3): os.close(fd)
        say()
    time.sleep(3600)
signal.signal(signal.SIGTERM, getattr(signal, sys.argv[1]))
say()
time.sleep(3600)
"""
"""A task, its child and a daemon forked twice; of them only the task itself may heed SIGTERM."""


def test_a_new_connection_is_greeted_and_told_where_things_stand(attempt: Attempt) -> None:
    task = attempt.talking()

    with attempt.control() as agent:
        hello, grew = agent.hear(), agent.hear()
    task.end(0)
    attempt.wait()

    assert hello is not None
    assert (hello["tell"], hello["attempt"], hello["state"]) == ("hello", "ti-1.1", "running")
    assert grew is not None
    assert (grew["tell"], grew["metric_seq"], grew["xcom_seq"]) == ("grew", 0, 0)


@pytest.mark.parametrize(("on_sigterm", "number"), [("SIG_IGN", 9), ("SIG_DFL", 15)])
def test_a_cancelled_tree_is_dead_before_it_is_called_cancelled(attempt: Attempt, on_sigterm: str, number: int) -> None:
    pipe = attempt.fifo("pids")
    argv = (sys.executable, "-c", STUBBORN, on_sigterm)
    attempt.start(ProgramWork(argv=[LiteralValue(value=text) for text in argv]))
    text = ""
    while text.count("\n") < 3:
        text += read_line(pipe)
    pids = [int(pid) for pid in text.split()]

    with attempt.control() as agent:
        agent.say(do="cancel", reason="ana cancelled the run", grace_s=0.1)
        agent.hear_until(lambda message: message["tell"] == "ended")
        alive_at_the_end = [pid for pid in pids if is_alive(pid)]
    ending = attempt.wait()

    assert (ending["kind"], ending["message"], ending["signal"]) == ("cancelled", "ana cancelled the run", number)
    assert alive_at_the_end == []
    assert "ana cancelled the run" in attempt.texts("agent")[0]


def test_a_task_that_heeds_sigterm_may_tidy_up(attempt: Attempt) -> None:
    hello = attempt.fifo("hello")
    attempt.start(shell("trap 'echo tidied; exit 0' TERM; echo > hello; while :; do sleep 0.01; done"))
    read_line(hello)

    with attempt.control() as agent:
        agent.say(do="cancel", reason=None)
        ending = attempt.wait()

    assert ending["kind"] == "cancelled"
    assert ending["exit_code"] == 0
    assert attempt.texts("stdout") == ["tidied"]


def test_a_stopped_task_can_be_cancelled(attempt: Attempt) -> None:
    hello = attempt.fifo("hello")
    attempt.start(shell("trap 'exit 0' TERM; echo > hello; kill -STOP $$"))
    read_line(hello)

    with attempt.control() as agent:
        agent.say(do="cancel")
        ending = attempt.wait()

    assert ending["kind"] == "cancelled"


def test_stop_ends_the_task_with_the_kind_the_agent_gives(attempt: Attempt) -> None:
    attempt.talking()

    with attempt.control() as agent:
        agent.say(do="stop", kind="lease_expired", reason="another attempt has it", grace_s=0)
        ending = attempt.wait()

    assert (ending["kind"], ending["message"]) == ("lease_expired", "another attempt has it")


def test_a_renewed_lease_lets_the_task_go_on(attempt: Attempt) -> None:
    task = attempt.talking(deadline_s=2.0)

    with attempt.control() as agent:
        agent.say(do="renewed", deadline_boottime_s=boottime() + PATIENCE_S)
        agent.say(do="renewed", deadline_boottime_s="soon")
        agent.hear_until(lambda message: message["tell"] == "not_understood")
        task.end(0)
        ending = attempt.wait()

    assert ending["kind"] == "success"


def test_a_lease_renewed_into_the_past_ends_the_task(attempt: Attempt) -> None:
    attempt.talking()

    with attempt.control() as agent:
        agent.say(do="renewed", deadline_boottime_s=boottime() - 1)
        ending = attempt.wait()

    assert ending["kind"] == "lease_expired"


def test_growth_is_told_once_it_is_on_disk(attempt: Attempt) -> None:
    task = attempt.talking()

    with attempt.control() as agent:
        task.request("POST", "/v1/metrics", {"name": "rows", "kind": "gauge", "value": 3})
        task.request("POST", "/v1/heartbeat", {"progress": 0.5, "note": "half"})
        grew = agent.hear_until(lambda message: message.get("progress") == 0.5)
        task.end(0)
        ended = agent.hear_until(lambda message: message["tell"] == "ended")
    attempt.wait()

    assert (grew["metric_seq"], grew["note"]) == (1, "half")
    assert ended == {"tell": "ended"}


def test_a_new_connection_replaces_the_old_and_gets_its_open_questions(attempt: Attempt) -> None:
    task = attempt.talking()
    answers: list[tuple[int, Any]] = []
    asking = threading.Thread(target=lambda: answers.append(task.request("GET", "/v1/connections/plant_db")))
    with attempt.control() as first:
        asking.start()
        lost = first.next_ask()

        with attempt.control() as second:
            again = second.next_ask()
            second.say(do="answer", id=again["ask"], status=200, body={"id": "plant_db", "conn_type": "sqlite"})
            asking.join(20)
            task.end(0)
            ending = attempt.wait()
        rest = first.hear()

    assert (
        again
        == lost
        == {
            "ask": 1,
            "method": "GET",
            "path": "/v1/connections/plant_db",
            "body": None,
            "takes_files": True,
        }
    )
    assert answers == [(200, {"id": "plant_db", "conn_type": "sqlite"})]
    assert rest is None
    assert ending["kind"] == "success"


def test_nonsense_on_the_control_socket_is_answered_and_survived(attempt: Attempt) -> None:
    task = attempt.talking()

    with attempt.control() as agent:
        for line in (b"{\n", b"[1]\n", b'{"do": "dance"}\n', b'{"do": "mask", "values": 3}\n', b"\xff\n", b"7\n"):
            agent.say_raw(line)
            agent.hear_until(lambda message: message["tell"] == "not_understood")
        agent.say(do="answer", id=99, status=200, body=None)
        task.end(0)
        ending = attempt.wait()

    assert ending["kind"] == "success"


def test_an_input_too_large_for_the_lease_is_fetched_before_the_task_starts(attempt: Attempt) -> None:
    large = Input(task="collect", size=10_000_000, inline=False)
    argv = [LiteralValue(value="echo"), ResultValue(task="collect")]
    attempt.start(ProgramWork(argv=argv), inputs=[large])

    with attempt.control() as agent:
        ask = agent.next_ask()
        agent.say(do="answer", id=ask["ask"], status=200, body={"value": "many rows"})
        attempt.wait()

    assert ask["path"] == "/v1/xcoms/return_value?task=collect&map_index=-1"
    assert attempt.texts("stdout") == ["many rows"]


def test_a_task_runs_although_the_disk_no_longer_takes_who_it_is(attempt: Attempt) -> None:
    attempt.start(shell("echo done"), inputs=[Input(task="collect", size=10_000_000, inline=False)])

    with attempt.control() as agent:
        ask = agent.next_ask()
        (attempt.path / "host.json.new").mkdir()  # refused as by a full disk, and only from now on
        agent.say(do="answer", id=ask["ask"], status=200, body={"value": "many rows"})
        ending = attempt.wait()

    assert ending["kind"] == "success", ending
    assert attempt.texts("stdout") == ["done"]


def test_a_task_still_waiting_for_its_inputs_can_be_cancelled(attempt: Attempt) -> None:
    attempt.start(shell("touch started"), inputs=[Input(task="collect", size=10_000_000, inline=False)])

    with attempt.control() as agent:
        agent.next_ask()
        agent.say(do="cancel", reason="enough")
        ending = attempt.wait()

    assert ending["kind"] == "cancelled"
    assert not (attempt.work / "started").exists()
