"""Branches, short circuits, groups, setups and teardowns in ``leasehold.testing``: by the rules of the API."""

from __future__ import annotations

from typing import Any

import pytest

from leasehold import Fail, dag, group, setup, task, teardown
from leasehold.testing import run, run_task


@task.branch
def choose(where: Any) -> Any:
    return where


@task.branch
async def choose_later(where: Any) -> Any:
    return where


@task
def north() -> str:
    return "north"


@task
def south() -> str:
    return "south"


@task(trigger_rule="none_failed_min_one_success")
def join() -> None: ...


@task
def after() -> None: ...


@task(trigger_rule="all_done")
def tidy() -> None: ...


@task
def breaks() -> None:
    raise Fail("no thermometer")


@task.short_circuit
def enough(rows: int) -> bool:
    return rows > 3


@task.short_circuit(ignore_downstream_trigger_rules=False)
def enough_for_the_next(rows: int) -> bool:
    return rows > 3


@setup
def make() -> str:
    return "table"


@setup
def breaks_making() -> None:
    raise Fail("no space")


@teardown
def drop() -> None: ...


@teardown
def breaks_dropping() -> None:
    raise Fail("it is gone")


@teardown(on_failure_fail_dagrun=True)
def must_drop() -> None:
    raise Fail("it is gone")


def states(a_dag: Any, **given: Any) -> dict[str, str]:
    return {name: found.state for name, found in run(a_dag, raise_on_failure=False, **given).tasks.items()}


@dag
def branches(where: Any = "north") -> None:
    chosen = choose(where)
    chosen >> [north(), south()] >> join()
    join_directly = join.override(id="join_directly")()
    chosen >> join_directly
    [north.override(id="far_north")()] >> join_directly
    chosen >> tidy()


BRANCHES = {"join_directly": "skipped", "far_north": "success", "tidy": "skipped"}


@pytest.mark.parametrize(
    ("where", "north_", "south_", "join_"),
    [
        ("north", "success", "skipped", "success"),
        (["north", "south"], "success", "success", "success"),
        (None, "skipped", "skipped", "skipped"),
        ([], "skipped", "skipped", "skipped"),
    ],
)
def test_what_a_branch_does_not_follow_is_skipped(where: Any, north_: str, south_: str, join_: str) -> None:
    found = states(branches, params={"where": where})

    expected = {"choose": "success", "north": north_, "south": south_, "join": join_}
    assert {name: found[name] for name in expected} == expected
    assert found["join_directly"] == "skipped"
    assert found["tidy"] == "skipped"


@dag
def joined_directly(where: Any = "north") -> None:
    chosen = choose_later(where)
    joined = join()
    chosen >> [north(), south()] >> joined
    chosen >> joined


def test_a_join_directly_after_the_branch_and_after_what_it_follows_runs() -> None:
    assert states(joined_directly)["join"] == "success"
    assert states(joined_directly, params={"where": "join"})["north"] == "skipped"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("nort", "the branch choose returned 'nort', which is not directly after it: did you mean 'north'?"),
        (["north", "choose"], "returned 'choose', which is not directly after it"),
        (True, "the branch choose returned True (bool): it returns the id of a task or group"),
    ],
)
def test_a_branch_that_names_what_it_cannot_follow_fails_for_good(where: Any, said: str) -> None:
    result = run(branches, params={"where": where}, raise_on_failure=False)

    assert result.state == "failed"
    assert said in result.tasks["choose"].error
    assert result.tasks["north"].state == "upstream_failed"


@task.branch
def choose_a_task() -> Any:
    return [south]


@dag
def in_groups(where: Any = "south") -> None:
    with group("plant"):
        chosen = choose(where)
        chosen >> [north(), south()]
        with group("sea") as sea:
            north() >> south()
            tidy()
        chosen >> sea
        choose_a_task() >> [after(), south.override(id="other")()]


def test_a_branch_names_tasks_of_its_own_group_without_it_and_groups_whole() -> None:
    found = states(in_groups)
    assert (found["plant.north"], found["plant.south"], found["plant.sea.north"]) == ("skipped", "success", "skipped")

    found = states(in_groups, params={"where": "plant.sea"})
    assert (found["plant.north"], found["plant.south"]) == ("skipped", "skipped")
    assert (found["plant.sea.north"], found["plant.sea.south"], found["plant.sea.tidy"]) == ("success",) * 3


def test_a_branch_alone_says_what_it_would_follow() -> None:
    assert choose("anything") == "anything", "called, it is just the function"
    assert run_task(choose, ["north"]).result == ["north"]


@dag
def circuits(rows: int = 1) -> None:
    enough(rows) >> north() >> tidy() >> after()
    with make() >> drop():
        enough_for_the_next(rows) >> south() >> tidy.override(id="tidy_south")()


def test_a_short_circuit_skips_everything_after_it_or_only_the_next() -> None:
    assert set(states(circuits, params={"rows": 4}).values()) == {"success"}

    found = states(circuits)

    assert (found["north"], found["tidy"], found["after"]) == ("skipped",) * 3
    assert (found["south"], found["tidy_south"], found["drop"]) == ("skipped", "success", "success")


@dag
def torn_down() -> None:
    with make() >> drop():
        breaks() >> after()


@dag
def fails_only_in_its_teardown() -> None:
    with make() >> breaks_dropping():
        after()


@dag
def must_be_torn_down() -> None:
    with make() >> must_drop():
        after()


@dag
def not_set_up() -> None:
    with breaks_making() >> drop():
        after() >> tidy()


def test_a_teardown_runs_whatever_became_of_the_tasks_between() -> None:
    result = run(torn_down, raise_on_failure=False)

    assert (result.tasks["after"].state, result.tasks["drop"].state) == ("upstream_failed", "success")
    assert result.state == "failed", "what was to be done has failed, and the teardown has no say"


def test_a_failed_teardown_fails_the_run_only_if_it_is_told_to() -> None:
    assert run(fails_only_in_its_teardown).state == "success"
    assert run(must_be_torn_down, raise_on_failure=False).state == "failed"


def test_what_was_not_set_up_is_not_torn_down_and_tasks_further_down_rely_on_it_too() -> None:
    assert states(not_set_up) == {
        "breaks_making": "failed", "after": "upstream_failed", "tidy": "upstream_failed", "drop": "upstream_failed"
    }  # fmt: skip
