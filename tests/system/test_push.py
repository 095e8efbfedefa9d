"""An agent whose leases and orders come on a stream: at once, within its credits, and through whatever breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.bad_line import BadLine, Behaviour
from tests.system.place import Place, open_place
from tests.system.programs import free_port, until

AGENT = "pushed-1"
SETTINGS = {"LEASEHOLD_API_KEEPALIVE_S": "1", "LEASEHOLD_API_RENEW_EVERY_S": "1"}
DAGS = """\
from leasehold import dag, shell


@dag
def gated(gate: str = ""):
    shell("while [ ! -e {{ params.gate }} ]; do sleep 0.05; done; echo opened", id="wait")


@dag
def many():
    for number in range(12):
        shell(f"echo {number}", id=f"n{number}")


@dag
def chain():
    first = shell("echo 1", id="first")
    first >> shell("echo 2", id="second") >> shell("echo 3", id="third")
"""


@pytest.fixture(scope="module")
def line() -> Iterator[BadLine]:
    line = BadLine(free_port())
    yield line
    line.close()


@pytest.fixture(scope="module")
def pushed(line: BadLine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place whose one agent has a stream, over a line that can be broken."""
    with open_place(tmp_path_factory.mktemp("pushed")) as place:
        place.env |= {"LEASEHOLD_AGENT_LINK": "push", "LEASEHOLD_AGENT_SLOTS": "4"}
        place.serve("--public-url", line.url, port=line.target, more=SETTINGS)
        place.make_site("north")
        place.enroll("north", AGENT, url=line.url)
        place.start_agent(AGENT)
        place.deploy("pushed", DAGS)
        yield place
        line.behave()


def status(place: Place) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(place.command("edge-agent", "status", "--json", "--state-dir", AGENT))
    return shown


def has_a_stream(place: Place) -> bool:
    shown = status(place)
    return (shown["link"], shown["way"], shown["reasons"]) == ("connected", "push", [])


@pytest.fixture
def streaming(pushed: Place) -> Place:
    until(lambda: has_a_stream(pushed), "it has a stream")
    return pushed


@pytest.mark.parametrize("dag", ["many", "chain"])
def test_more_work_than_slots_is_done_as_slots_become_free(dag: str, streaming: Place) -> None:
    ended = streaming.run_dag(dag)

    assert ended["state"] == "success"
    assert {len(task["attempts"]) for task in ended["tasks"]} == {1}


def test_a_task_is_cancelled_and_its_agent_paused_drained_of_slots_and_resumed_on_the_stream(
    streaming: Place, gate: Path
) -> None:
    run = streaming.trigger("gated", gate=str(gate))
    until(lambda: status(streaming)["attempts"], "it runs")

    streaming.cancel(run)
    assert streaming.finished(run)["state"] == "cancelled"
    streaming.command("leasehold", "agents", "pause", AGENT, "--note", "a test")
    until(lambda: [reason["name"] for reason in status(streaming)["reasons"]] == ["api_pause"], "it is paused")
    streaming.command("leasehold", "agents", "resume", AGENT)
    streaming.command("leasehold", "agents", "set-slots", AGENT, "2")
    until(lambda: status(streaming)["slots"] == 2, "it has two slots")
    streaming.command("leasehold", "agents", "set-slots", AGENT, "default")

    until(lambda: has_a_stream(streaming) and status(streaming)["slots"] == 4, "all is as before")
    assert streaming.run_dag("many")["state"] == "success"


def test_a_lease_written_into_a_dead_stream_is_given_again(streaming: Place, line: BadLine, gate: Path) -> None:
    line.behave(Behaviour(black_hole=True))
    run = streaming.trigger("gated", gate=str(gate))
    until(lambda: streaming.get(f"runs/{run}")["tasks"][0]["state"] == "running", "it is leased")
    line.drop_all()  # what is still on its way in there must not arrive after all
    line.behave()
    gate.touch()

    ended = streaming.finished(run)

    assert [attempt["ending"] for attempt in ended["tasks"][0]["attempts"]] == ["lost", "success"]


def test_a_locked_agent_loses_its_stream_and_gets_one_again_when_unlocked(streaming: Place) -> None:
    streaming.command("leasehold", "agents", "lock", AGENT, "--reason", "a test")
    until(lambda: "locked" in status(streaming)["link"], "it hears that it is locked")

    streaming.command("leasehold", "agents", "unlock", AGENT)

    until(lambda: has_a_stream(streaming), "it has a stream again", patience_s=60)


def test_behind_a_proxy_that_holds_streams_back_leases_are_pulled_and_it_is_said(
    streaming: Place, line: BadLine
) -> None:
    line.behave(Behaviour(holds_streams=True))
    line.drop_all()

    until(lambda: [reason["name"] for reason in status(streaming)["reasons"]] == ["stream"], "it is noticed")

    assert status(streaming)["way"] == "pull"
    assert streaming.run_dag("many")["state"] == "success"
    until(lambda: "holds answers back" in streaming.command("leasehold", "agents", "show", AGENT), "the API shows it")
