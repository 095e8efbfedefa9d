"""Limits end to end: two API processes on one PostgreSQL, two agents, and tasks that tell when they begin and end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import fresh_postgresql
from tests.system.place import Place, open_place
from tests.system.programs import free_port, until

DAGS = """\
from leasehold import dag, shell


@dag(max_active_tasks=6)
def pooled(file: str):
    for n in range(8):
        shell("echo + >> $FILE; echo - >> $FILE", id=f"part-{n}", env={"FILE": file}, pool="db", max_offline="30s")


@dag
def waits_for_room():
    shell("true", id="later", pool="tight")


@dag
def wants_gpu():
    shell("true", id="with_gpu", needs={"gpu": ">=2"}) >> shell("true", id="anywhere")


@dag
def gives_up():
    shell("true", id="nowhere", needs={"moon": True}, queue_timeout="200ms", retries=3)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place with two APIs, and an agent at each of two sites, each calling another API."""
    with fresh_postgresql() as url, open_place(tmp_path_factory.mktemp("limits")) as place:
        database = {"LEASEHOLD_API_DATABASE_URL": url}
        place.serve(more=database)
        place.serve("--public-url", place.url, name="api-2", port=free_port(), more=database)
        place.make_site("north")
        place.command("leasehold", "sites", "create", "lab", "--label", "gpu=2", "--reserved", "gpu", "--weight", "90")
        for site in ("north", "lab"):
            place.enroll(site, f"{site}-1")
            place.start_agent(f"{site}-1", "--slots", "4")
        place.command("leasehold", "pools", "set", "db", "--slots", "2", "--description", "stands two queries")
        place.command("leasehold", "pools", "set", "tight", "--slots", "0")
        place.deploy("limits", DAGS)
        yield place


def test_a_pool_is_never_exceeded_and_all_of_it_is_used(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "told"

    run = place.run_dag("pooled", file=str(file))

    assert run["state"] == "success"
    told, running, most = file.read_text().split(), 0, 0
    for sign in told:
        running += 1 if sign == "+" else -1
        most = max(most, running)
    assert (len(told), running) == (16, 0)
    assert most <= 2
    assert '"used": 0' in place.command("leasehold", "pools", "show", "db", "--json")


def test_a_bigger_pool_starts_what_waits_at_once_and_until_then_its_reason_is_shown(place: Place) -> None:
    run = place.trigger("waits_for_room")
    assert "pool tight" in str(place.get(f"runs/{run}")["tasks"][0]["reason"])
    assert "tight" in place.command("leasehold", "pools", "list")

    place.command("leasehold", "pools", "set", "tight", "--slots", "1")

    # The agents' polls last 50 s, and nothing but the admission ends them sooner.
    until(lambda: place.get(f"runs/{run}")["state"] == "success", "the run has ended", patience_s=20)


def test_a_reserved_site_runs_what_asks_for_its_label_and_nothing_else(place: Place) -> None:
    run = place.run_dag("wants_gpu")

    assert {task["task"]: task["site"] for task in run["tasks"]} == {"with_gpu": "lab", "anywhere": "north"}


def test_what_finds_no_site_in_time_fails_and_says_why(place: Place) -> None:
    run = place.run_dag("gives_up")

    [task] = run["tasks"]
    assert (run["state"], task["state"]) == ("failed", "failed")
    assert "queue_timeout" in task["reason"]
    assert "site north: its label moon is not set" in task["reason"]
