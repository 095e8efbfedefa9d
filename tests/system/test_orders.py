"""Agents that are told what to do through the API: also by another API process than the one where they wait."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.databases import fresh_postgresql
from tests.system.place import Place, open_place
from tests.system.programs import free_port, until

GATED = """\
from leasehold import dag, shell


@dag
def gated(gate: str = ""):
    shell("while [ ! -e {{ params.gate }} ]; do sleep 0.05; done; echo opened", id="wait")
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place whose agents call the first API while every command goes to the second."""
    with fresh_postgresql() as url, open_place(tmp_path_factory.mktemp("orders")) as place:
        database = {"LEASEHOLD_API_DATABASE_URL": url}
        place.serve(more=database)
        port = free_port()
        place.serve("--public-url", place.url, name="api-2", port=port, more=database)
        place.make_site("north")
        place.env |= {"LEASEHOLD_URL": f"http://127.0.0.1:{port}"}
        yield place


def status(place: Place, agent: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(place.command("edge-agent", "status", "--json", "--state-dir", agent))
    return shown


def names(place: Place, agent: str) -> list[str]:
    return [reason["name"] for reason in status(place, agent)["reasons"]]


def test_a_pause_reaches_a_parked_agent_at_once_is_remembered_by_its_next_start_and_ends(pair: Place) -> None:
    pair.enroll("north", "parked-1")
    agent = pair.start_agent("parked-1")
    until(lambda: status(pair, "parked-1")["link"] == "connected", "it waits at the API")

    pair.command("leasehold", "agents", "pause", "parked-1", "--note", "network is rebuilt")
    until(lambda: names(pair, "parked-1") == ["api_pause"], "it heard", patience_s=30)
    agent.terminate()
    agent.ended()
    pair.start_agent("parked-1")
    until(lambda: names(pair, "parked-1") == ["api_pause"], "it heard again", patience_s=30)
    shown = pair.command("leasehold", "agents", "show", "parked-1")
    pair.command("leasehold", "agents", "resume", "parked-1")
    until(lambda: names(pair, "parked-1") == [], "it goes on", patience_s=30)

    assert "network is rebuilt" in shown
    assert "token:bootstrap" in shown


def test_a_pause_for_a_time_ends_by_itself_at_the_agent(pair: Place) -> None:
    pair.enroll("north", "timed-1")
    pair.start_agent("timed-1")

    pair.command("leasehold", "agents", "pause", "timed-1", "--for", "2s")

    until(lambda: names(pair, "timed-1") == [], "the pause is over", patience_s=30)
    until(lambda: pair.get("agents/timed-1")["orders"]["pause"] is None, "for the API too", patience_s=30)


def test_set_slots_reaches_an_agent_that_is_full(pair: Place, gate: Any) -> None:
    pair.enroll("north", "full-1")
    for name in ("parked-1", "timed-1"):
        pair.command("leasehold", "agents", "pause", name)
    pair.start_agent("full-1", "--slots", "2")
    pair.deploy("gated", GATED)
    pair.command("leasehold", "agents", "set-slots", "full-1", "1")
    until(lambda: status(pair, "full-1")["slots"] == 1, "it has one slot", patience_s=30)
    runs = [pair.trigger("gated", gate=str(gate)) for _ in range(2)]
    until(lambda: status(pair, "full-1")["attempts"], "one runs")

    pair.command("leasehold", "agents", "set-slots", "full-1", "default")
    until(lambda: len(status(pair, "full-1")["attempts"]) == 2, "the other runs too", patience_s=30)
    gate.touch()

    assert {pair.finished(run)["state"] for run in runs} == {"success"}


def test_a_drained_agent_ends_by_itself_and_started_again_waits_for_resume(pair: Place) -> None:
    pair.enroll("north", "old-1")
    agent = pair.start_agent("old-1")

    said = pair.command("leasehold", "agents", "drain", "old-1", "--note", "machine is replaced")
    code = agent.ended()
    again = pair.start_agent("old-1")
    until(lambda: names(pair, "old-1") == ["api_drain"], "it takes no work", patience_s=30)
    pair.command("leasehold", "agents", "resume", "old-1")
    until(lambda: names(pair, "old-1") == [], "it goes on", patience_s=30)

    assert "leasehold agents resume old-1" in said
    assert code == 0
    assert again.is_alive
