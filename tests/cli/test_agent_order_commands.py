"""``leasehold agents pause, drain, resume, set-slots``: what is sent, and what people read."""

from __future__ import annotations

import json

import pytest
import respx

from leasehold_protocol.v1.fleet import Agent, AgentList
from leasehold_protocol.v1.orders import DrainRequest, Order, Orders, PauseRequest, SlotsRequest
from tests.cli.answers import said
from tests.cli.conftest import Leasehold
from tests.cli.test_fleet_commands import NOON, an_agent

AGENT = an_agent("plant-1", 7)
AGENTS = "/v1/teams/default/agents"
PATH = f"{AGENTS}/{AGENT.agent}"


@pytest.fixture
def known(api: respx.Router) -> respx.Router:
    """The API knows the one agent."""
    api.get(AGENTS).mock(return_value=said(AgentList(items=[AGENT])))
    return api


def paused() -> Agent:
    order = Order(by="token:operator-1", note="network is rebuilt", since=NOON, until=NOON)
    return AGENT.model_copy(update={"orders": Orders(pause=order)})


def test_pause_sends_why_and_how_long_and_says_until_when(author: Leasehold, known: respx.Router) -> None:
    asked = known.post(f"{PATH}/pause").mock(return_value=said(paused()))

    ended = author("agents", "pause", AGENT.name, "--note", "network is rebuilt", "--for", "2h")

    assert PauseRequest.model_validate_json(asked.calls.last.request.content) == PauseRequest(
        note="network is rebuilt", for_s=7200
    )
    assert f"takes no new work until {NOON:%Y-%m-%d %H:%M:%S} UTC" in ended.out


def test_drain_and_resume_name_what_comes_next(author: Leasehold, known: respx.Router) -> None:
    asked = known.post(f"{PATH}/drain").mock(return_value=said(AGENT))
    known.post(f"{PATH}/resume").mock(return_value=said(AGENT))

    drained = author("agents", "drain", AGENT.name, "--note", "machine is replaced")
    resumed = author("agents", "resume", AGENT.name, "--json")

    assert DrainRequest.model_validate_json(asked.calls.last.request.content).note == "machine is replaced"
    assert f"leasehold agents resume {AGENT.name}" in drained.out
    assert json.loads(resumed.out)["agent"] == AGENT.agent


@pytest.mark.parametrize(("word", "slots"), [("4", 4), ("default", None)])
def test_set_slots_takes_a_number_or_default(
    author: Leasehold, known: respx.Router, word: str, slots: int | None
) -> None:
    asked = known.post(f"{PATH}/slots").mock(return_value=said(AGENT))

    author("agents", "set-slots", AGENT.name, word)

    assert SlotsRequest.model_validate_json(asked.calls.last.request.content) == SlotsRequest(slots=slots)


@pytest.mark.parametrize(
    "words", [("set-slots", "plant-1", "0"), ("set-slots", "plant-1", "many"), ("pause", "plant-1", "--for", "soon")]
)
def test_what_does_not_fit_is_a_mistake_of_typing(author: Leasehold, words: tuple[str, ...]) -> None:
    assert author("agents", *words).code == 2


def test_show_has_the_orders_and_who_gave_them(author: Leasehold, api: respx.Router) -> None:
    api.get(AGENTS).mock(return_value=said(AgentList(items=[paused()])))

    ended = author("agents", "show", AGENT.name)

    assert "pause by token:operator-1" in ended.out
    assert "network is rebuilt" in ended.out
