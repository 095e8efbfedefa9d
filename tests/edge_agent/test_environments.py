"""Environments at a site, apart from tasks: interpreters, the cache, its collection, pip in uv's place, and wheels."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from leasehold.runtime.rules.locks import ENVIRONMENT_FILE, WantedEnvironment
from leasehold.runtime.rules.python_versions import BadSpecifierError, allows, lowest
from leasehold_agent.attempts.bundles import BadBundleError
from leasehold_agent.attempts.wheels import BadWheelError, Wheels
from leasehold_agent.collection import tree_size
from leasehold_agent.config import load
from leasehold_agent.environments.ageing import KEPT_S, collect, outdated
from leasehold_agent.environments.building import Order, build
from leasehold_agent.environments.cache import FACTS, EnvironmentCache, Found, environment_key
from leasehold_agent.environments.pythons import Interpreter, NoPythonError, chosen, interpreters
from leasehold_agent.environments.rules import EnvironmentRules, rules_from
from leasehold_agent.environments.tools import Tool, tool_environment
from leasehold_agent.exits import OperatorError
from tests.support.wheels import make_wheel

NORTH = Interpreter(path="/usr/bin/python3.11", version=(3, 11, 7), tag="cpython-311-linux-x86_64", has_pip=False)
NEWER = replace(NORTH, path="/usr/bin/python3.13", version=(3, 13, 1), tag="cpython-313-linux-x86_64")
NEWEST = replace(NORTH, path="/usr/bin/python3.14", version=(3, 14, 0), tag="cpython-314-linux-x86_64")


@pytest.mark.parametrize(
    ("requires", "fits"),
    [
        (None, True), ("", True), (">=3.11", True), (">= 3.11.7", True), (">3.11.7", False), ("<3.12", True),
        ("<=3.11", False), ("==3.11.*", True), ("==3.11", False), ("==3.11.7", True), ("!=3.11.*", False),
        ("~=3.11", True), ("~=3.11.2", True), ("~=3.10.0", False), (">=3.11,<3.11.7", False), (">=3.9, !=3.10.*", True),
    ],
)  # fmt: skip
def test_requires_python_is_understood(requires: str | None, fits: bool) -> None:
    assert allows(requires, (3, 11, 7)) is fits


@pytest.mark.parametrize("requires", ["3.11", ">=3.11;", "=>3.11", ">=3.11.*", "~=3", ">=3.a", "===3.11"])
def test_what_is_no_condition_on_python_is_refused(requires: str) -> None:
    with pytest.raises(BadSpecifierError):
        allows(requires, (3, 11, 7))


@pytest.mark.parametrize(("requires", "version"), [(None, "3.11"), (">=3.9", "3.11"), (">=3.13,<3.15", "3.13")])
def test_locks_are_for_the_lowest_python_that_is_allowed(requires: str | None, version: str) -> None:
    assert lowest(requires) == version


def test_the_sites_own_python_is_taken_where_it_fits_else_the_newest() -> None:
    here = [NORTH, NEWEST, NEWER]

    assert chosen(">=3.11", here) == NORTH
    assert chosen(">=3.12", here) == NEWEST
    assert chosen(">=3.12,<3.14", here) == NEWER
    with pytest.raises(NoPythonError, match=r"it has 3\.11\.7, 3\.13\.1, 3\.14\.0"):
        chosen("<3.11", here)


def test_interpreters_are_found_by_their_names_and_asked_once(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    for name in ("python3.11", "python3.12"):
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\necho x >> {asked}\necho 3 {name[-2:]} 4 cpython-linux 0 $0\n")
        script.chmod(0o755)
    (tmp_path / "python3.13").write_text("no program")
    cache = tmp_path / "state" / "pythons.json"

    found = [interpreters(None, (), search_path=str(tmp_path), cache=cache) for _ in range(2)]

    assert [one.spelled for one in found[0]] == ["3.11.4", "3.12.4"]
    assert found[0] == found[1]
    assert asked.read_text() == "x\nx\n"


def test_what_makes_a_difference_makes_another_key(tmp_path: Path) -> None:
    keys = {environment_key(lock, python) for lock in ("a", "b") for python in (NORTH, NEWER, NEWEST)}

    assert len(keys) == 6


def found(key: str, *, used_at: float, size: int) -> Found:
    return Found(key=key, path=Path(key), used_at=used_at, facts={"size": size})


def test_unused_environments_go_first_the_old_then_what_is_too_much() -> None:
    here = [
        found("old", used_at=0, size=1),
        found("mid", used_at=KEPT_S, size=5),
        found("new", used_at=KEPT_S + 9, size=5),
    ]

    assert [one.key for one in outdated(here, now=KEPT_S + 10, most_bytes=100)] == ["old"]
    assert [one.key for one in outdated(here, now=KEPT_S + 10, most_bytes=9)] == ["old", "mid"]
    assert [one.key for one in outdated(here, now=KEPT_S + 10, most_bytes=0)] == ["old", "mid", "new"]
    assert outdated(here, now=10, most_bytes=100) == []


def made(cache: EnvironmentCache, key: str) -> Path:
    folder = cache.path(key)
    folder.mkdir(parents=True)
    (folder / FACTS).write_text('{"size": 10}')
    return folder


def test_collecting_removes_rests_and_leaves_what_is_held(tmp_path: Path) -> None:
    cache = EnvironmentCache(tmp_path)
    held, free, building = "a" * 64, "b" * 64, "c" * 64
    made(cache, held)
    made(cache, free)
    (tmp_path / f".new-{free}-1").mkdir()
    (tmp_path / f".new-{building}-1").mkdir()
    users = [cache.share(held), cache.seize(building)]

    collect(cache, now=0, most_bytes=0)

    assert None not in users
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != ".locks") == [f".new-{building}-1", held]


def test_a_lock_on_a_removed_environment_keeps_nobody_in(tmp_path: Path) -> None:
    cache = EnvironmentCache(tmp_path)
    made(cache, "a" * 64)
    assert cache.remove("a" * 64)

    first = cache.share("a" * 64)

    assert first is not None
    assert cache.seize("a" * 64) is None
    first.release()
    assert cache.seize("a" * 64) is not None


async def test_pip_installs_where_there_is_no_uv(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "made", "colours", "1.0")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    wheel.rename(tmp_path / sha256)
    base = Interpreter(path=sys.executable, version=(3, 11, 0), tag="t", has_pip=True)
    cache, said = EnvironmentCache(tmp_path / "cache"), list[str]()
    cache.root.mkdir()
    order = Order(
        key="a" * 64,
        wanted=WantedEnvironment(lock=f"colours==1.0 --hash=sha256:{sha256}\n", wheels={wheel.name: sha256}),
        wheels_dir=tmp_path,
        tool=Tool(name="pip", uv=None, python=base),
        use_index=False,
        timeout_s=60,
        variables=tool_environment(EnvironmentRules(cache_dir="", wheels_dir=""), os.environ, {}),
        say=said.append,
        stopped=asyncio.Event(),
    )

    await build(cache, order)

    code = "import colours; print(colours.VERSION)"
    python = str(cache.python("a" * 64))
    assert await asyncio.to_thread(subprocess.check_output, [python, "-I", "-c", code]) == b"1.0\n"
    (one,) = cache
    assert one.facts["packages"] == ["colours 1.0"]
    assert 0 < one.size <= tree_size(one.path)


def test_rules_come_through_a_lease_as_they_were() -> None:
    rules = EnvironmentRules(cache_dir="a", wheels_dir="b", pythons=("c",), index_url="https://packages.example.com")

    assert rules_from({**rules.as_fields(), "later": 1}) == rules


def test_an_index_with_a_password_in_its_address_is_no_setting(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="netrc") as refused:
        load({"index_url": "https://me:open-sesame@packages.example.com/simple"}, {})

    assert "without name and password" in str(refused.value)


def test_the_index_is_in_no_command_line(tmp_path: Path) -> None:
    rules = EnvironmentRules(cache_dir="", wheels_dir="", index_url="https://packages.example.com/simple")

    variables = tool_environment(rules, {"HOME": str(tmp_path), "SECRET": "x"}, {})

    assert variables["UV_DEFAULT_INDEX"] == variables["PIP_INDEX_URL"] == rules.index_url
    assert "SECRET" not in variables
    for uv in ("/usr/bin/uv", None):
        argv = Tool(name="t", uv=uv, python=NORTH).install(tmp_path, tmp_path, links=None, use_index=True)
        assert not any("example.com" in part for part in argv)
        assert "--require-hashes" in argv


class Store:
    """What the API has."""

    def __init__(self, *contents: bytes) -> None:
        self.blobs = {hashlib.sha256(each).hexdigest(): each for each in contents}
        self.asked: list[str] = []

    async def fetch(self, sha256: str) -> AsyncIterator[bytes]:
        self.asked.append(sha256)
        yield self.blobs[sha256]


def wanting(folder: Path, **wheels: str) -> Path:
    file = folder / ENVIRONMENT_FILE
    file.parent.mkdir(parents=True)
    lock = "".join(f"x{n}==1 --hash=sha256:{sha256}\n" for n, sha256 in enumerate(wheels.values()))
    file.write_bytes(
        WantedEnvironment(lock=lock, wheels={f"{name}-1.whl": each for name, each in wheels.items()}).as_bytes()
    )
    return folder


async def test_wheels_are_fetched_once_and_checked(tmp_path: Path) -> None:
    store = Store(b"wheel")
    (sha256,) = store.blobs
    wheels, bundle = Wheels(tmp_path / "wheels", store.fetch), wanting(tmp_path / "bundle", colours=sha256)

    await asyncio.gather(wheels.bring_for(bundle), wheels.bring_for(bundle))

    assert store.asked == [sha256]
    assert (tmp_path / "wheels" / sha256).read_bytes() == b"wheel"
    assert wheels.unused() == []
    assert [path.name for path in wheels.unused(unused_s=-10)] == [sha256]


async def test_a_wheel_that_arrives_with_another_hash_is_not_kept(tmp_path: Path) -> None:
    store = Store(b"wheel")
    (sha256,) = store.blobs
    store.blobs[sha256] = b"another"
    wheels = Wheels(tmp_path / "wheels", store.fetch)

    with pytest.raises(BadWheelError, match="another hash"):
        await wheels.bring_for(wanting(tmp_path / "bundle", colours=sha256))

    assert list((tmp_path / "wheels").iterdir()) == []


async def test_a_bundle_that_names_a_wheel_outside_is_refused(tmp_path: Path) -> None:
    bundle = wanting(tmp_path / "bundle")
    (bundle / ENVIRONMENT_FILE).write_text(
        '{"format": 1, "lock": "", "requires_python": null, "wheels": {"../x.whl": "' + "0" * 64 + '"}}'
    )

    with pytest.raises((BadWheelError, BadBundleError), match="can't be one"):
        await Wheels(tmp_path / "wheels", Store().fetch).bring_for(bundle)
