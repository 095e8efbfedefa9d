"""Branches, setups, teardowns and groups as authors write them: what the manifest says, and what is a mistake."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from leasehold.authoring.loading import LoadedFile, load_file
from leasehold_protocol.signed.canonical import canonical
from leasehold_protocol.v1.manifest import Manifest, PythonWork, TaskEntry

HEAD = """\
from leasehold import chain, cross_downstream, dag, group, setup, shell, task, teardown

@task.branch
def choose(): return "north"

@task.branch(id="pick", retries=2)
def picks(x):
    if x:
        return ["a", "b"] if x > 1 else "c"
    def inner(): return "not a branch"
    return None

@setup
def make(): ...

@teardown
def drop(): ...

@task
def north(): ...

@task.short_circuit
def enough(): ...

@group
def load(rows, retries=0):
    return shell("true", id="read") >> shell("true", id="write", retries=retries)

"""
FIRST = HEAD.count("\n") + 1


def _load(folder: Path, body: str, name: str = "flow.py") -> LoadedFile:
    file = folder / name
    file.write_text(HEAD + "@dag\ndef flow():\n" + textwrap.indent(textwrap.dedent(body), "    "))
    return load_file(file)


def tasks_of(folder: Path, body: str) -> dict[str, TaskEntry]:
    loaded = _load(folder, body)
    assert loaded.problems == ()
    manifest = Manifest.model_validate(loaded.dags[0].manifest)
    return {entry.id: entry for entry in manifest.tasks}


def follows(entry: TaskEntry) -> dict[str, list[str]]:
    assert isinstance(entry.work, PythonWork)
    return entry.work.follows


def test_a_branch_says_where_it_leads_and_what_runs_then(tmp_path: Path) -> None:
    tasks = tasks_of(
        tmp_path,
        """
        chosen = choose()
        join = shell("true", id="join", trigger_rule="none_failed_min_one_success")
        with group("sea") as sea:
            shell("true", id="first") >> shell("true", id="second")
        chosen >> [north(), sea, join]
        sea >> join
        """,
    )

    assert follows(tasks["choose"]) == {
        "north": ["north"],
        "sea.first": ["join", "sea.first"],
        "join": ["join"],
        "sea": ["join", "sea.first"],
    }
    assert tasks["join"].trigger_rule == "none_failed_min_one_success"
    assert tasks["sea.first"].group == "sea"


def test_setups_come_before_the_roots_of_a_with_block_and_the_teardown_after_its_leaves(tmp_path: Path) -> None:
    tasks = tasks_of(
        tmp_path,
        """
        before = shell("true", id="before")
        with make() >> drop():
            a, b, c = (shell("true", id=name) for name in "abc")
            before >> a >> b
            with make() >> drop():
                shell("true", id="inner")
        """,
    )

    assert {name: entry.upstream for name, entry in tasks.items()} == {
        "before": [],
        "make": [],
        "drop": ["make", "b", "c", "drop__1"],
        "a": ["before", "make"],
        "b": ["a"],
        "c": ["make"],
        "make__1": ["make"],
        "drop__1": ["make__1", "inner"],
        "inner": ["make__1"],
    }
    assert [tasks[name].role for name in ("make", "drop", "a")] == ["setup", "teardown", "work"]
    assert tasks["drop"].trigger_rule == "all_done_setup_success"


def test_any_task_can_be_made_a_setup_or_a_teardown(tmp_path: Path) -> None:
    tasks = tasks_of(
        tmp_path,
        """
        a, b = shell("true", id="a"), shell("true", id="b").as_setup()
        down = shell("true", id="down").as_teardown(setups=[a, b], on_failure_fail_dagrun=True)
        with down:
            north()
        """,
    )

    assert (tasks["down"].upstream, tasks["down"].role, tasks["down"].fails_run) == (
        ["a", "b", "north"],
        "teardown",
        True,
    )
    assert (tasks["a"].role, tasks["b"].role, tasks["north"].upstream) == ("setup", "setup", ["a", "b"])


def test_a_group_names_its_tasks_and_gives_them_options_and_arrows_lead_to_its_ends(tmp_path: Path) -> None:
    tasks = tasks_of(
        tmp_path,
        """
        with group("plant", retries=3, retry_delay="1m", trigger_rule="all_done") as plant:
            with group("pump", priority=7, retries=1):
                a, b = shell("true", id="a"), shell("true", id="b", retries=0)
                a >> b
            with make() >> drop():
                north()
        shell("true", id="before") >> plant >> shell("true", id="after")
        [shell("true", id="also")] >> plant
        """,
    )

    assert {name: (entry.upstream, entry.group) for name, entry in tasks.items()} == {
        "plant.pump.a": (["before", "also"], "plant.pump"),
        "plant.pump.b": (["plant.pump.a"], "plant.pump"),
        "plant.make": (["before", "also"], "plant"),
        "plant.drop": (["plant.make", "plant.north"], "plant"),
        "plant.north": (["plant.make"], "plant"),
        "before": ([], None),
        "after": (["plant.pump.b", "plant.north"], None),
        "also": ([], None),
    }
    assert [(tasks[name].retries, tasks[name].priority) for name in ("plant.pump.a", "plant.pump.b")] == [
        (1, 7),
        (0, 7),
    ]
    assert (tasks["plant.north"].retries, tasks["plant.north"].retry_delay_s) == (3, 60.0)
    assert tasks["plant.drop"].trigger_rule == "all_done_setup_success", "a teardown's own, whatever the group says"
    assert tasks["after"].retries == 0


def test_a_function_of_a_group_makes_one_each_time_and_returns_its_result(tmp_path: Path) -> None:
    tasks = tasks_of(
        tmp_path,
        """
        load([1]) >> load([2], retries=4) >> north()
        """,
    )

    assert {name: entry.upstream for name, entry in tasks.items()} == {
        "load.read": [],
        "load.write": ["load.read"],
        "load__1.read": [],
        "load__1.write": ["load__1.read", "load.write"],
        "north": ["load__1.write"],
    }
    assert tasks["load__1.write"].retries == 4


def test_lists_in_a_chain_pair_up_and_cross_downstream_joins_each_with_each(tmp_path: Path) -> None:
    tasks = tasks_of(
        tmp_path,
        """
        a, b, c, d, e, f = (shell("true", id=name) for name in "abcdef")
        chain(a, [b, c], [d, e], f)
        cross_downstream([a, b], [f])
        """,
    )

    assert {name: entry.upstream for name, entry in tasks.items()} == {
        "a": [], "b": ["a"], "c": ["a"], "d": ["b"], "e": ["c"], "f": ["d", "e", "a", "b"]
    }  # fmt: skip


def test_a_short_circuit_says_how_far_it_skips(tmp_path: Path) -> None:
    assert tasks_of(tmp_path, "enough() >> north()")["enough"].skips == "all"


def test_an_ordinary_task_is_signed_as_before(tmp_path: Path) -> None:
    entry = tasks_of(tmp_path, "north()")["north"]

    signed: dict[str, Any] = json.loads(canonical(entry))
    assert not {"role", "skips", "group", "fails_run", "trigger_rule"} & set(signed)
    assert "follows" not in signed["work"]


@pytest.mark.parametrize(
    ("body", "line", "message", "cure"),
    [
        ("choose() >> shell('true', id='norht')", 4 - FIRST, "returns 'north', which is not directly", "'norht'?"),
        ("choose()", 4 - FIRST, "the branch 'choose' returns 'north'", "Nothing comes after it."),
        ("drop()", 2, "the teardown 'drop' has no setup before it", 'make() >> drop(), or use @task(trigger_rule="al'),
        ("with north(): pass", 2, "with needs a teardown, and 'north' is none", "with make() >> drop():"),
        ("with make(): pass", 2, "with needs a teardown, and 'make' is none", "@teardown"),
        ("make().as_teardown()", 2, "'make' is a setup, and can't be a teardown too", ""),
        ("drop().as_setup()", 2, "'drop' is a teardown, and can't be a setup too", ""),
        ("shell('true', trigger_rule='all_done').as_teardown(setups=make())", 2, "has a trigger rule of its own", ""),
        ("with group('a.b'): north()", 2, "has a dot in its name", "nest groups"),
        ("with group('a b'): north()", 2, "'a b' can't be a name", ""),
        ("with group('a', retries=-1): north()", 2, "retries=-1: a whole number", ""),
        ("with group('a', retry=1): north()", 2, "there is no option 'retry'", ""),
        ("with group('a', connections=['x']): north()", 2, "a group has no option 'connections'", "with each task"),
        ("with group('a') as a:\n    north() >> a", 3, "the group 'a' has no tasks yet, or is still open", "below its"),
        ("with group('a') as a: pass\nnorth() >> a", 3, "the group 'a' has no tasks yet", ""),
        ("with group('north'): north()\nnorth()", 3, "a task and a group have the id 'north'", "at line"),
        (
            "with group('a'): north()\nwith group('a'): enough()",
            3,
            "two groups, or a group and a task, have",
            "another",
        ),
        ("chain([north(), north()], [enough()])", 2, "a list of 2 before a list of 1", "cross_downstream"),
        (f"with group('{'g' * 100}'):\n    shell('true', id='{'t' * 60}')", 3, "can't be a name", "shorter"),
    ],
)
def test_a_mistake_is_found_at_its_line(tmp_path: Path, body: str, line: int, message: str, cure: str) -> None:
    (problem,) = _load(tmp_path, body).problems

    assert message in problem.message
    assert cure in problem.cure
    assert problem.line == FIRST + line


def test_texts_that_a_branch_returns_are_checked_wherever_they_stand(tmp_path: Path) -> None:
    problems = _load(tmp_path, "picks(1) >> [shell('true', id='b'), shell('true', id='other')]").problems

    assert [(problem.line, problem.message) for problem in problems] == [
        (9, "the branch 'pick' returns 'a', which is not directly after it"),
        (9, "the branch 'pick' returns 'c', which is not directly after it"),
    ]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("@teardown(trigger_rule='all_done')\ndef t(): ...\n", "a teardown has a trigger rule of its own"),
        ("@setup(retries=-1)\ndef t(): ...\n", "retries=-1: a whole number"),
        ("@task.branch(retry=1)\ndef t(): ...\n", "there is no option 'retry'"),
        ("task.short_circuit(3)\n", "@task.short_circuit goes on a function"),
        ("with group('a'): pass\n", "the group 'a' is begun outside a DAG"),
    ],
)
def test_mistakes_outside_a_dag_are_found_too(tmp_path: Path, source: str, message: str) -> None:
    file = tmp_path / "flow.py"
    file.write_text(HEAD + source)

    (problem,) = load_file(file).problems

    assert problem.line == FIRST
    assert message in problem.message
