"""A site's own policy, with real processes: what it refuses goes elsewhere or waits, and says why everywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.place import Place, open_place
from tests.system.programs import Program, until

DAGS = '''\
"""Work for sites that are choosy."""

from leasehold import dag, program, shell


@dag
def anywhere():
    shell("echo ran", id="work")


@dag
def only_north():
    shell("echo ran", id="work", needs={"place": "north"})


@dag
def shown(what: str = "/"):
    program(["/bin/ls", what], id="work", needs={"place": "north"})

'''

STRICT = """\
version = 1
runtimes = ["program"]
teams = ["default"]
dags = ["shown"]
[limits]
slots = 2
[[programs]]
path = "/bin/ls"
args = [["/"]]
"""
WIDE = STRICT.replace('dags = ["shown"]', 'dags = ["*"]') + '[[programs]]\npath = "/bin/sh"\n'


class Choosy:
    """A place whose site north has a policy."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.file = place.home / "policy.toml"
        self.agent: Program | None = None

    def write(self, text: str) -> None:
        """Replace the policy as a careful operator does."""
        new = self.file.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o644)
        new.replace(self.file)

    def in_force(self, text: str) -> None:
        """Replace the policy and wait until the agent goes by it."""
        self.write(text)
        checked = json.loads(self.place.command("edge-agent", "policy", "check", str(self.file), "--json"))
        self.says(f"({checked['fingerprint'][:8]})")

    def task(self, run: str) -> dict[str, Any]:
        (task,) = self.place.get(f"runs/{run}")["tasks"]
        return dict(task)

    def waits(self, run: str, part: str) -> dict[str, Any]:
        """Return the task of a run once it waits for a reason."""

        def look() -> dict[str, Any] | None:
            task = self.task(run)
            return task if task["state"] == "queued" and part in (task["reason"] or "") else None

        return until(look, f"run {run} waits because of {part}")

    def says(self, part: str) -> str:
        """Return what the agent's status says, once ``part`` is in it."""

        def look() -> str | None:
            said = self.place.command("edge-agent", "status", "--state-dir", "north-1")
            return said if part in said else None

        return until(look, f"status says {part}")


@pytest.fixture(scope="module")
def choosy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Choosy]:
    home = tmp_path_factory.mktemp("choosy")
    home.chmod(0o700)
    with open_place(home) as place:
        place.serve()
        for site in ("north", "plant"):
            place.make_site(site)
            place.enroll(site, f"{site}-1")
        here = Choosy(place)
        here.write(STRICT)
        place.env["LEASEHOLD_AGENT_POLICY_FILE"] = str(here.file)
        here.agent = place.start_agent("north-1", "--slots", "4")
        del place.env["LEASEHOLD_AGENT_POLICY_FILE"]
        place.deploy("choosy", DAGS)
        yield here


def test_what_every_site_refuses_waits_with_the_reason_and_is_asked_once(choosy: Choosy) -> None:
    choosy.in_force(STRICT)
    run = choosy.place.trigger("only_north")

    task = choosy.waits(run, "site north: refused by the site's policy: the DAG only_north is not allowed")

    assert [attempt["ending"] for attempt in task["attempts"]] == ["refused"]
    assert "is not allowed" in choosy.place.command("leasehold", "runs", "show", run)
    second = choosy.place.trigger("shown", what="/")
    assert choosy.place.finished(second)["state"] == "success", "it is not in the way of what is allowed"
    assert len(choosy.task(run)["attempts"]) == 1
    choosy.place.cancel(run)


def test_arguments_known_only_when_the_task_starts_are_asked_about_in_the_host(choosy: Choosy) -> None:
    choosy.in_force(STRICT)
    run = choosy.place.trigger("shown", what="/etc")

    task = choosy.waits(run, "not with these arguments")

    assert [attempt["ending"] for attempt in task["attempts"]] == ["refused"]
    choosy.place.cancel(run)


def test_the_api_knows_that_there_is_a_policy_and_how_many_slots_it_leaves(choosy: Choosy) -> None:
    (agent,) = [one for one in choosy.place.get("agents")["items"] if one["name"] == "north-1"]

    assert len(agent["policy"]["fingerprint"]) == 32
    assert (agent["policy"]["slots"], agent["slots"]) == (2, 2)
    assert "in force" in choosy.place.command("leasehold", "agents", "show", "north-1")


def test_a_broken_policy_lets_nothing_run_says_so_everywhere_and_heals_by_itself(choosy: Choosy) -> None:
    choosy.write('version = 1\nrunitmes = ["python"]\n')
    said = choosy.says("did you mean runtimes?")
    assert "line 2" in said
    run = choosy.place.trigger("only_north")

    until(
        lambda: "did you mean runtimes" in choosy.place.command("leasehold", "agents", "show", "north-1"),
        "the API knows why",
    )
    assert choosy.task(run)["state"] == "queued"
    assert choosy.agent is not None
    assert choosy.agent.is_alive

    choosy.write(WIDE)

    assert choosy.place.finished(run)["state"] == "success"
    assert "in force" in choosy.says("in force")


def test_on_sighup_the_policy_is_read_at_once_and_outside_working_hours_nothing_starts(choosy: Choosy) -> None:
    assert choosy.agent is not None
    never_now = 'windows = [{ start = "0 0 29 feb *", duration = "1m" }]'
    choosy.write(WIDE + f'[hours]\ntimezone = "UTC"\n{never_now}\n')
    os.kill(choosy.agent.pid, 1)

    choosy.says("outside working hours until")

    # The request that was waiting at the API may bring one lease more.
    run = choosy.place.trigger("only_north")
    until(lambda: choosy.task(run)["state"] == "queued", "it waits")
    assert {attempt["ending"] for attempt in choosy.task(run)["attempts"]} <= {"refused"}
    choosy.place.cancel(run)


def test_a_reload_reads_the_policy_at_once_and_says_which_one_is_in_force(choosy: Choosy) -> None:
    choosy.write(WIDE)
    checked = json.loads(choosy.place.command("edge-agent", "policy", "check", str(choosy.file), "--json"))

    said = choosy.place.command("edge-agent", "reload", "--state-dir", "north-1")

    assert f"is in force ({checked['fingerprint'][:8]})" in said


def test_what_one_site_refuses_another_runs(choosy: Choosy) -> None:
    choosy.in_force(STRICT)
    run = choosy.place.trigger("anywhere")
    choosy.waits(run, "the DAG anywhere is not allowed")

    choosy.place.start_agent("plant-1", "--slots", "1")

    (task,) = choosy.place.finished(run)["tasks"]
    assert b"the DAG anywhere is not allowed" in choosy.place.log_of(task["attempts"][0]["attempt"])
    assert (task["state"], task["site"]) == ("success", "plant")
    assert [attempt["try_number"] for attempt in task["attempts"]][-1] == 1


def test_check_and_explain_speak_to_scripts(choosy: Choosy) -> None:
    choosy.write(STRICT)
    file = str(choosy.file)

    checked = json.loads(choosy.place.command("edge-agent", "policy", "check", file, "--json"))
    why = ("edge-agent", "policy", "explain", "--file", file, "--dag", "x", "--task", "y", "--json")
    explained = json.loads(choosy.place.command(*why, code=13))

    assert checked["mistakes"] == []
    assert explained["reasons"] == ["python tasks are not allowed", "the DAG x is not allowed"]


def test_the_howtos_example_is_a_policy_and_does_what_the_page_says(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/howto/site-policy.md").read_text()
    from leasehold_agent.policy.reading import parse_policy
    from leasehold_agent.policy.rules import Asked, refusals

    policy = parse_policy(page.partition("```toml\n")[2].partition("```")[0]).policy

    assert policy is not None
    ours = Asked(team="default", dag="sensor_report", task="read", runtime="python", connections=["plant_db"])
    theirs = Asked(team="default", dag="payroll", task="read", runtime="python")
    assert refusals(policy, ours) == []
    assert refusals(policy, theirs) == ["the DAG payroll is not allowed"]
