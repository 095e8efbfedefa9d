"""Two API processes on one PostgreSQL are one API: what happens at one is known at the other, at once."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.databases import fresh_postgresql
from tests.system.place import Place, open_place
from tests.system.programs import free_port, until

DAGS = """\
from leasehold import dag, task


@task
def answer() -> int:
    return 42


@dag
def asked():
    answer()
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, httpx.Client]]:
    """A place whose agent calls the first API, and a client of the second one."""
    with fresh_postgresql() as url, open_place(tmp_path_factory.mktemp("pair")) as place:
        database = {"LEASEHOLD_API_DATABASE_URL": url}
        place.serve(more=database)
        second = f"http://127.0.0.1:{(port := free_port())}"
        # One address for both, as behind a load balancer; one state directory, as on a shared disk.
        place.serve("--public-url", place.url, name="api-2", port=port, more=database)
        place.make_site("north")
        place.enroll("north", "north-1")
        place.start_agent("north-1")
        place.deploy("asked", DAGS)
        place.run_dag("asked")
        with httpx.Client(base_url=second, headers=place.client.headers, trust_env=False, timeout=60) as client:
            yield place, client


def test_work_queued_at_one_wakes_an_agent_that_waits_at_the_other(pair: tuple[Place, httpx.Client]) -> None:
    place, second = pair

    answer = second.post("/v1/teams/default/dags/asked/runs", json={})

    run = answer.json()["run"]
    # The agent's poll lasts 50 s, and nothing but a notification ends it sooner.
    until(
        lambda: second.get(f"/v1/teams/default/runs/{run}").json()["state"] == "success",
        "the run has ended",
        patience_s=15,
    )
    assert place.finished(run)["tasks"][0]["result"] == 42


def test_who_watches_a_run_at_one_sees_what_ends_at_the_other(pair: tuple[Place, httpx.Client]) -> None:
    place, second = pair
    run = place.trigger("asked")
    path = f"/v1/teams/default/runs/{run}"

    seen = second.get(path)
    for _ in range(20):
        if seen.json()["state"] == "success":
            break
        answer = second.get(path, params={"wait_s": 25}, headers={"If-None-Match": seen.headers["ETag"]})
        assert answer.status_code == 200, "nothing was told within the wait"
        seen = answer

    assert seen.json()["state"] == "success"
