"""Mapped tasks as authors write them, and as they run in a test."""

from __future__ import annotations

import random
from typing import Any

import pytest

from leasehold import concat, context, dag, program, set_label, shell, task, testing, xcom, zip_
from leasehold.authoring.mistakes import AuthoringError
from leasehold.runtime.rules import mapped as site_rules
from leasehold_api.dags import mapping as api_rules
from leasehold_api.dags.plan import Plan
from leasehold_protocol.signed.canonical import digest
from leasehold_protocol.v1.manifest import Manifest
from leasehold_protocol.v1.mapping import Mapped


@task
def find() -> list[str]:
    return ["a.csv", "b.csv", "c.csv"]


@task
def sizes() -> dict[str, int]:
    return {"a.csv": 1, "b.csv": 2}


@task
def load(file: Any, day: str = "today", level: int = 0) -> str:
    return f"{file} {day} {level}"


@task
def gather(parts: Any) -> list[Any]:
    return list(parts)


@task
def arguments() -> list[dict[str, Any]]:
    return [{"file": "a.csv", "level": 1}, {"file": "b.csv"}]


def results(body: Any, **given: Any) -> list[Any]:
    """Run a DAG whose body returns what ``gather`` takes; return what that returned."""

    @dag
    def mapping() -> None:
        gather(body())

    return list(testing.run(mapping, **given).tasks["gather"].result)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (lambda: load.expand(file=["a", "b"]), ["a today 0", "b today 0"]),
        (lambda: load.expand(file=("a", "b")), ["a today 0", "b today 0"]),
        (lambda: load.expand(file=range(2)), ["0 today 0", "1 today 0"]),
        (lambda: load.partial(day="monday").expand(file=find()), [f"{name}.csv monday 0" for name in "abc"]),
        (lambda: load.expand(file=sizes()), ["('a.csv', 1) today 0", "('b.csv', 2) today 0"]),
        (
            lambda: load.expand(file=["a", "b"], level=[1, 2]),
            ["a today 1", "a today 2", "b today 1", "b today 2"],
        ),
        (lambda: load.expand_zip(file=["a", "b"], level=[1, 2, 3]), ["a today 1", "b today 2"]),
        (lambda: load.expand(file=zip_(["a", "b"], [1])), ["('a', 1) today 0"]),
        (lambda: load.expand(file=zip_(["a", "b"], [1], fill="-")), ["('a', 1) today 0", "('b', '-') today 0"]),
        (lambda: load.expand(file=concat(find(), ["d"])), [f"{n} today 0" for n in ("a.csv", "b.csv", "c.csv", "d")]),
        (lambda: load.partial(day="monday").expand_kwargs(arguments()), ["a.csv monday 1", "b.csv monday 0"]),
        (
            lambda: load.expand_kwargs([{"file": "a"}, {"file": "b", "day": "{{ ds }}"}]),
            ["a today 0", "b 2026-11-22 0"],
        ),
        (lambda: load.expand(file=load.expand(file=["a", "b"])), ["a today 0 today 0", "b today 0 today 0"]),
        (lambda: load.expand(file=["{{ ds }}", find()]), ["2026-11-22 today 0", "['a.csv', 'b.csv', 'c.csv'] today 0"]),
        (
            lambda: shell.partial("echo $FILE {{ item.N }}").expand(FILE=find(), N=[1]),
            ["a.csv 1", "b.csv 1", "c.csv 1"],
        ),
        (lambda: program.partial(["printenv", "{{ item.NAME }}"]).expand_kwargs([{"NAME": "A", "A": "x"}]), ["x"]),
    ],
)
def test_an_instance_runs_for_each_item(body: Any, expected: list[str]) -> None:
    assert results(body, logical_date="2026-11-22") == expected


def test_a_parameter_of_the_run_may_say_over_what() -> None:
    @dag
    def mapping(files: list[str] | None = None) -> None:
        gather(load.expand(file=files or ["never"]) if isinstance(files, list) else load.expand(file=files))

    found = testing.run(mapping, params={"files": ["x"]})

    assert found.tasks["gather"].result == ["x today 0"]


def test_instances_show_how_each_of_them_ended() -> None:
    @task(retries=1, map_index_template="file {{ item.file }}")
    def picky(file: str) -> int:
        if file == "b.csv":
            raise ValueError("no header")
        return context().map_index

    @dag
    def mapping() -> None:
        gather(picky.expand(file=find()))

    found = testing.run(mapping, raise_on_failure=False)

    assert [one.state for one in found.tasks["picky"].instances] == ["success", "failed", "success"]
    assert [one.label for one in found.tasks["picky"].instances] == ["file a.csv", "file b.csv", "file c.csv"]
    assert [one.tries for one in found.tasks["picky"].instances] == [1, 2, 1]
    assert (found.tasks["picky"].result, found.tasks["picky"].state) == ([0, 2], "failed")
    assert "[1]" in (found.tasks["picky"].error or "")
    assert (found.tasks["gather"].state, found.state) == ("upstream_failed", "failed")


def test_what_instances_return_arrives_as_a_sequence_that_is_no_list() -> None:
    @task
    def look(parts: Any) -> list[Any]:
        assert not isinstance(parts, list)
        assert parts == list(parts) == list(xcom.pull_all("load"))
        xcom.push("all", parts)
        return [len(parts), parts[-1], parts[:1]]

    @dag
    def mapping() -> None:
        look(load.expand(file=["a", "b"]))

    found = testing.run(mapping).tasks["look"]

    assert found.result == [2, "b today 0", ["a today 0"]]
    assert found.xcoms["all"] == ["a today 0", "b today 0"]


def test_nothing_to_map_over_is_skipped_and_what_has_no_items_fails() -> None:
    @task
    def one_text() -> str:
        return "a.csv"

    @dag
    def empty() -> None:
        gather(load.expand(file=[]))

    @dag
    def wrong() -> None:
        gather(load.expand(file=one_text()))

    nothing, text = testing.run(empty), testing.run(wrong, raise_on_failure=False)

    assert (nothing.tasks["load"].state, nothing.tasks["gather"].state, nothing.state) == (
        "skipped",
        "skipped",
        "success",
    )
    assert (text.tasks["load"].state, text.tasks["gather"].state) == ("failed", "upstream_failed")
    assert "what one_text returned, which is 'a.csv'" in (text.tasks["load"].error or "")


def test_a_label_of_the_tasks_own_wins() -> None:
    @task(map_index_template="{{ item.file }}")
    def named(file: str) -> None:
        set_label(f"my {file}")

    @dag
    def mapping() -> None:
        named.expand(file=["a"])

    assert testing.run(mapping).tasks["named"].instances[0].label == "my a"


def test_results_may_be_given_for_a_mapped_task() -> None:
    @dag
    def mapping() -> None:
        gather(load.expand(file=find()))

    found = testing.run(mapping, only=["gather"], results={"load": ["x", "y"]})

    assert found.tasks["gather"].result == ["x", "y"]


@pytest.mark.parametrize(
    ("body", "message", "cure"),
    [
        (lambda: load.expand(), "has nothing to expand over", "expand(file=[…])"),
        (lambda: load.expand(fiel=[1]), "has no parameter 'fiel'", "Did you mean 'file'?"),
        (lambda: load.expand(day=["monday"]), "missing a required argument: 'file'", "partial(…)"),
        (lambda: load.partial(fiel=1), "has no parameter 'fiel'", "Did you mean 'file'?"),
        (lambda: load.partial(file="a").expand(file=["b"]), "is in partial(…) and in expand(…)", "Leave it out"),
        (lambda: load.expand(file="a.csv"), "'a.csv' is no list", "partial(file='a.csv')"),
        (lambda: load.expand(file=7), "7 is no list", "partial(file=…)"),
        (lambda: load.expand(file="{{ params.files }}"), "is no list", "Give the parameter itself"),
        (lambda: load.expand_kwargs([{"file": "a"}, 3]), "item 1 of expand_kwargs is no dictionary", "names of the"),
        (lambda: load.expand_kwargs([{"fiel": "a"}]), "has no parameter 'fiel'", "Did you mean 'file'?"),
        (lambda: load.expand_kwargs("a"), "expand_kwargs takes a list of dictionaries", "expand_kwargs([{…}, {…}])"),
        (lambda: shell.partial("true").expand(**{"A-B": [1]}), "can't name an environment variable", "A-Z"),
        (lambda: shell.partial("echo {{ item.FIEL }}").expand(FILE=[1]), "did you mean 'item.FILE'", ""),
        (lambda: load.expand(file=len(find.expand())), "has nothing to expand over", ""),
        (lambda: load.expand(file=shell("ls")), "the result of 'shell' is text", 'result="json"'),
        (lambda: zip_(), "nothing to zip", "zip_(files, days)"),
    ],
)
def test_mistakes_are_found_where_they_are_written(body: Any, message: str, cure: str) -> None:
    @dag
    def mapping() -> None:
        body()

    with pytest.raises(AuthoringError) as found:
        testing.run(mapping)

    assert message in str(found.value)
    assert cure in str(found.value)
    assert found.value.file == __file__


def sources(chance: random.Random, depth: int) -> dict[str, Any]:
    """Return a source of any shape."""
    kind = chance.choice(["literal", "literal", "zipped", "concatenated"]) if depth else "literal"
    if kind == "literal":
        return {"kind": "literal", "value": [f"{chance.random():.3f}" for _ in range(chance.randint(0, 3))]}
    parts = [sources(chance, depth - 1) for _ in range(chance.randint(1, 3))]
    more = {"longest": chance.random() < 0.5, "fill": "-"} if kind == "zipped" else {}
    return {"kind": kind, "parts": parts, **more}


def items(source: dict[str, Any]) -> list[Any]:
    """Return the items of a source, as anybody would say it."""
    match source["kind"]:
        case "literal":
            return list(source["value"])
        case "concatenated":
            return [item for part in source["parts"] for item in items(part)]
    parts = [items(part) for part in source["parts"]]
    length = (max if source["longest"] else min)(map(len, parts))
    return [
        {"$type": "tuple", "value": [part[n] if n < len(part) else source["fill"] for part in parts]}
        for n in range(length)
    ]


@pytest.mark.parametrize("seed", range(60))
def test_api_and_site_agree_on_which_item_an_instance_is_for(seed: int) -> None:
    chance = random.Random(seed)
    axes = [{"name": f"x{n}", "source": sources(chance, 2)} for n in range(chance.randint(1, 3))]
    mapped = {"axes": axes}
    model = Mapped.model_validate(mapped)
    lengths = [len(leaf["value"]) for leaf in site_rules.leaves(mapped)]  # type: ignore[arg-type]
    count = api_rules.instances(model, lengths)
    expected: list[list[Any]] = [[]]
    for axis in axes:
        expected = [[*before, item] for before in expected for item in items(axis["source"])]

    found = []
    for index in range(count):
        at = api_rules.indices(model, lengths, index)
        assert at == site_rules.indices(mapped, lengths, index)
        facts = site_rules.Facts(names={})
        found.append([*site_rules.item_of(mapped, [{"index": one} for one in at], facts, {}).values()])

    assert count == site_rules.instances(mapped, lengths) == len(expected)
    assert found == expected


def test_of_a_signed_version_the_item_is_the_one_that_was_signed() -> None:
    axes = [{"name": "file", "source": {"kind": "literal", "value": ["a", "b"]}}]
    work = {"kind": "python", "module": "m", "function": "f", "kwargs": {"file": {"kind": "item", "name": "file"}}}
    manifest = Manifest.model_validate({"dag": "d", "tasks": [{"id": "load", "work": work, "mapped": {"axes": axes}}]})
    signed, unsigned = (
        Plan(manifest, version_id="v", dag="d", version=1, signature=signature).leased["load"]
        for signature in ("a JWS", None)
    )
    lie = [{"index": 1, "given": True, "value": "something else"}]

    assert digest(signed) == digest(manifest.tasks[0]) != digest(unsigned)
    assert '"a"' not in unsigned.model_dump_json()
    facts = site_rules.Facts(names={})
    assert site_rules.item_of(signed.mapped.model_dump(), lie, facts, {}) == {"file": "b"}  # type: ignore[union-attr]
