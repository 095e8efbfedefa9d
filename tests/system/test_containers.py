"""A container task with real processes: it waits for a site that runs containers, and says so; then it runs there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.containers.engine_in_place import EngineInPlace
from tests.system.place import Place, open_place
from tests.system.programs import until

DAG = '''\
"""A tool that only comes as an image."""

from leasehold import container, dag, task


@task
def rows() -> list[int]:
    return [1, 2]


@dag
def boxed():
    container("localhost/tools:1", command=["sh", "-c", "echo $ROWS from a box"], env={"ROWS": rows()}, id="box")
'''


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineInPlace]:
    engine = EngineInPlace(tmp_path, name="podman")
    engine.start()
    yield engine
    engine.close()


def test_a_container_runs_where_an_agent_found_an_engine(tmp_path: Path, engine: EngineInPlace) -> None:
    home = tmp_path / "place"
    home.mkdir(mode=0o700)
    with open_place(home) as place:
        place.serve()
        for site in ("north", "plant"):
            place.make_site(site)
            place.enroll(site, f"{site}-1")
        place.start_agent("north-1")
        place.deploy("boxed", DAG)
        run = place.trigger("boxed")
        until(lambda: _states(place, run) == {"rows": "success", "box": "queued"}, "the box is queued")

        assert "none of its agents found a podman or docker" in place.command("leasehold", "why", run, "box")

        place.start_agent("plant-1", more={"LEASEHOLD_AGENT_CONTAINER_ENGINE": engine.path})
        done = place.finished(run)

        (box,) = [task for task in done["tasks"] if task["task"] == "box"]
        assert box["state"] == "success"
        assert b"[1,2] from a box" in place.log_of(box["attempts"][-1]["attempt"])
        assert f"containers by {engine.path}" in place.command("edge-agent", "status", "--state-dir", "plant-1")


def _states(place: Place, run: str) -> dict[str, str]:
    return {task["task"]: task["state"] for task in place.get(f"runs/{run}")["tasks"]}
