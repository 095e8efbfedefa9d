"""Placement: what a task needs against what a site offers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold_api.fleet.machines import Machine, Wanted
from leasehold_api.fleet.matching import mismatch, offers
from leasehold_protocol.v1.manifest import Needs

NORTH = offers({"os": "linux", "memory": "64GiB", "cuda": "12.4", "cores": "16", "driver": "v1.2.0-rc1"}, ["plant_db"])


@pytest.mark.parametrize(
    ("label", "condition"),
    [
        ("os", "linux"),
        ("os", "=linux"),
        ("os", " = linux "),
        ("os", "!=windows"),
        ("memory", ">=64GiB"),
        ("memory", "=65536MiB"),
        ("memory", ">64GB"),
        ("memory", "<1TiB"),
        ("memory", ">100"),
        ("cores", ">8"),
        ("cores", "<=16"),
        ("cuda", ">=12"),
        ("cuda", "<12.10"),
        ("cuda", "=12.4.0"),
        ("cuda", "!=12.5"),
        ("driver", "<1.2"),
        ("driver", ">1.1.9"),
        ("driver", "<v1.2.0-rc2"),
        ("gpu", "!=a100"),
    ],
)
def test_a_condition_holds(label: str, condition: str) -> None:
    assert mismatch(Needs(labels={label: condition}), NORTH) is None


@pytest.mark.parametrize(
    ("label", "condition"),
    [
        ("os", "windows"),
        ("os", ">a"),
        ("os", "!=linux"),
        ("memory", ">=64.1GiB"),
        ("memory", ">x"),
        ("cores", ">16"),
        ("cores", "=16.5"),
        ("cuda", ">12.10"),
        ("cuda", "=12"),
        ("gpu", "a100"),
        ("gpu", ">1"),
        ("gpu", ""),
    ],
)
def test_a_condition_does_not_hold_and_says_so(label: str, condition: str) -> None:
    why = mismatch(Needs(labels={label: condition}), NORTH)

    assert why is not None
    assert f"its label {label} is" in why


def test_a_connection_that_the_site_does_not_reach_is_named() -> None:
    assert mismatch(Needs(connections=["plant_db"]), NORTH) is None
    assert mismatch(Needs(connections=["plant_db", "lab"]), NORTH) == "it does not reach the connection lab"


def test_every_site_runs_python_and_programs_and_nothing_else() -> None:
    assert mismatch(Needs(runtime="program"), NORTH) is None
    assert mismatch(Needs(runtime="wasm"), NORTH) == "it does not run wasm tasks"
    assert "none of its agents found a podman or docker" in str(mismatch(Needs(runtime="container"), NORTH))


def test_one_machine_of_a_site_is_enough_and_has_to_do_for_all() -> None:
    engine = Machine(runtimes=frozenset({"container"}), pythons=["3.11.2"])
    newer = Machine(pythons=["3.11.2", "3.12.4"])
    offer = offers({}, [], [engine, newer])

    assert mismatch(Wanted(runtime="container"), offer) is None
    assert mismatch(Wanted(python=">=3.12"), offer) is None
    assert mismatch(Wanted(python=">=3.13"), offer) == "it has Python 3.11.2, 3.12.4, and the task needs >=3.13"
    assert mismatch(Wanted(runtime="container", python=">=3.12"), offer) == (
        "it has Python 3.11.2, and the task needs >=3.12"
    )


@pytest.mark.parametrize("machines", [[], [Machine()], [Machine(pythons=None), Machine(pythons=[])]])
def test_an_agent_that_never_said_which_pythons_it_has_may_have_any(machines: list[Machine]) -> None:
    assert mismatch(Wanted(python=">=3.14"), offers({}, [], machines)) is None


def test_a_site_without_any_python_says_so() -> None:
    assert mismatch(Wanted(python=">=3.11"), offers({}, [], [Machine(pythons=[])])) == (
        "it has no Python that packages can be installed for, and the task needs >=3.11"
    )
    assert mismatch(Wanted(), offers({}, [], [Machine(pythons=[])])) is None


@given(st.text(max_size=30), st.text(max_size=30))
def test_exactly_one_of_equal_and_unequal_holds(value: str, wanted: str) -> None:
    offer = offers({"x": value}, [])

    equal, unequal = [mismatch(Needs(labels={"x": operator + wanted}), offer) is None for operator in ("=", "!=")]

    assert equal != unequal


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.sampled_from(["", "k", "Mi", "GB", "gib"]))
def test_sizes_are_ordered_like_their_numbers(left: int, right: int, unit: str) -> None:
    offer = offers({"x": f"{left}{unit}"}, [])

    assert (mismatch(Needs(labels={"x": f"<{right}{unit}"}), offer) is None) == (left < right)
    assert (mismatch(Needs(labels={"x": f">={right}{unit}"}), offer) is None) == (left >= right)


@given(st.lists(st.integers(0, 99), min_size=2, max_size=4), st.lists(st.integers(0, 99), min_size=2, max_size=4))
def test_versions_are_ordered_part_by_part(left: list[int], right: list[int]) -> None:
    offer = offers({"x": ".".join(map(str, left))}, [])
    length = max(len(left), len(right))
    padded = [parts + [0] * (length - len(parts)) for parts in (left, right)]

    holds = mismatch(Needs(labels={"x": "<" + ".".join(map(str, right))}), offer) is None

    assert holds == (padded[0] < padded[1])
