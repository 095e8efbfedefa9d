"""Mapped tasks through a real API and a real agent."""

from __future__ import annotations

import json
from typing import Any

from tests.system.place import Place

MAPPING = """\
from leasehold import dag, shell, task

@task
def find() -> list[dict]:
    return [{"name": f"{letter}.csv", "content": letter * 100_000} for letter in "abcd"]

@task
def names() -> list[str]:
    return ["x y", "z"]

@task(map_index_template="{{ item.file.name }} of {{ params.day }}")
def load(file: dict, level: int, day: str) -> str:
    return file["name"] + file["content"][:1] + str(level) + day

@task
def total(parts) -> list[str]:
    assert not isinstance(parts, list), type(parts)
    return [str(len(parts)), *parts]

@task
def again(part: str) -> int:
    return len(part)

@dag
def mapping(day: str = "monday"):
    loaded = load.partial(day=day).expand(file=find(), level=[1, 2])
    total(loaded)
    again.expand(part=loaded)
    said = shell.partial('echo "$NAME/{{ item.LEVEL }}/{{ map_index }}"', id="say").expand(NAME=names(), LEVEL=[7])
    shell('echo "$SAID"', id="repeat", env={"SAID": said})
"""


def test_instances_run_for_each_item_of_results_small_and_large(place: Place) -> None:
    place.deploy("mapping", MAPPING)

    run = place.run_dag("mapping")

    assert run["state"] == "success", json.dumps(run["tasks"], indent=1)[:8000]
    loaded = [
        name + name[0] + str(level) + "monday" for name in ("a.csv", "b.csv", "c.csv", "d.csv") for level in (1, 2)
    ]
    assert results(run, "load") == loaded
    assert results(run, "total") == [["8", *loaded]]
    assert results(run, "again") == [13] * 8
    assert results(run, "say") == ["x y/7/0", "z/7/1"]
    assert results(run, "repeat") == ['["x y/7/0","z/7/1"]']
    assert [task["label"] for task in run["tasks"] if task["task"] == "load"][:3] == [
        "a.csv of monday",
        "a.csv of monday",
        "b.csv of monday",
    ]


def results(run: dict[str, Any], task: str) -> list[Any]:
    """Return what the instances of a task returned."""
    found = [one for one in run["tasks"] if one["task"] == task]
    return [one["result"] for one in sorted(found, key=lambda one: one["map_index"])]
