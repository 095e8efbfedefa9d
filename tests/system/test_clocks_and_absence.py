"""Agents whose clock is hours wrong, and agents whose API was gone for weeks: they work, and nobody has to come."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.system.place import Place, open_place
from tests.system.programs import free_port, until

WEEKS_S = 6 * 7 * 86400
HOURS_S = 5 * 3600
DAG = """\
from leasehold import dag, task


@task
def answer() -> int:
    return 42


@dag
def asking():
    answer()
"""


def clock(off_s: int) -> Mapping[str, str]:
    """Return the environment of a program whose wall clock is ``off_s`` seconds ahead."""
    return {"PYTHONPATH": str(Path(__file__).parent / "wrong_clock"), "WRONG_CLOCK_S": str(off_s)}


@pytest.fixture(scope="module")
def deployed(api: Place) -> Place:
    """A place with an API and a DAG that any agent can run."""
    api.deploy("asking", DAG)
    return api


@pytest.fixture(params=[-HOURS_S, HOURS_S], ids=["5 h behind", "5 h ahead"])
def wrong(request: pytest.FixtureRequest, deployed: Place) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The name of an agent, and the environment that makes its clock wrong."""
    more = clock(request.param)
    before, deployed.env = deployed.env, deployed.env | more
    yield f"wrong{'-ahead' if request.param > 0 else '-behind'}", more
    deployed.env = before


def test_an_agent_whose_clock_is_hours_wrong_enrols_works_and_rotates(
    deployed: Place, wrong: tuple[str, Mapping[str, str]]
) -> None:
    name, more = wrong
    token = deployed.issue_token("north")
    deployed.command("edge-agent", "enroll", deployed.url, "--token-file", token, "--name", name, "--state-dir", name)
    agent = deployed.start_agent(name, "--slots", "1", more=more)

    made_at = json.loads((deployed.home / name / "identity.json").read_text())["key_since"]
    assert abs(abs(made_at - time.time()) - HOURS_S) < 600, "its clock is wrong indeed"
    ended = deployed.run_dag("asking")
    rotated = deployed.command("edge-agent", "identity", "rotate", "--state-dir", name)
    again = deployed.run_dag("asking")
    agent.terminate()
    agent.ended()

    assert (ended["state"], again["state"]) == ("success", "success")
    assert "has a new key" in rotated
    assert "Traceback" not in agent.said()


@pytest.fixture(params=["its own clock goes on", "its own clock stood still"])
def after_weeks(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Place, str, Mapping[str, str]]]:
    """A place whose API was away for six weeks, the port that it listens on, and the agent's environment now."""
    with open_place(tmp_path) as place:
        port = free_port()
        first = place.serve(name="api-before", port=port)
        place.make_site("north")
        place.enroll("north", "north-1")
        place.deploy("asking", DAG)
        agent = place.start_agent("north-1")
        first.terminate()
        first.ended()
        now = clock(WEEKS_S)
        if "goes on" in request.param:
            agent.terminate()
            agent.ended()
            yield place, str(port), now
        else:
            yield place, str(port), {}


def test_an_agent_whose_api_was_gone_for_six_weeks_comes_back_by_itself(
    after_weeks: tuple[Place, str, Mapping[str, str]],
) -> None:
    place, port, more = after_weeks
    place.serve(name="api-after", port=int(port), more=clock(WEEKS_S))
    is_new_process = bool(more)
    if is_new_process:
        place.start_agent("north-1", more=more)
        place.env |= more

    ended = place.run_dag("asking")
    place.command("edge-agent", "identity", "rotate", "--state-dir", "north-1")

    assert ended["state"] == "success"
    shown = json.loads(place.command("edge-agent", "identity", "show", "--json", "--state-dir", "north-1"))
    [agent] = place.get("agents")["items"]
    until(lambda: place.get("agents")["items"][0]["key_thumbprint"] == shown["key_thumbprint"], "the key is known")
    assert agent["status"] != "locked"
