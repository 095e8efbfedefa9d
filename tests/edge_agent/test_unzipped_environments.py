"""Environments of carried wheels for the binary's own interpreter: built, stopped, or told why not."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from leasehold.runtime.rules.locks import WantedEnvironment
from leasehold_agent.environments.building import BuildFailedError, BuildStoppedError, Order, build
from leasehold_agent.environments.cache import EnvironmentCache
from leasehold_agent.environments.getting import NoEnvironmentError, Ready, Site, get
from leasehold_agent.environments.pythons import Interpreter
from leasehold_agent.environments.rules import EnvironmentRules
from leasehold_agent.environments.tools import find_tool
from tests.support.own_python import OWN, carried, run
from tests.support.wheels import make_wheel, pack_wheel, pinned

KEY = "a" * 64


def order(tmp_path: Path, *wheels: Path) -> tuple[EnvironmentCache, Order, list[str]]:
    folder, named = carried(tmp_path / "wheels", *wheels)
    cache, said = EnvironmentCache(tmp_path / "cache"), list[str]()
    cache.root.mkdir(exist_ok=True)
    rules = EnvironmentRules(cache_dir=str(cache.root), wheels_dir=str(folder))
    return (
        cache,
        Order(
            key=KEY,
            wanted=WantedEnvironment(lock=pinned(*wheels), wheels=named),
            wheels_dir=folder,
            tool=find_tool(rules, OWN, search_path=os.defpath),
            use_index=True,
            timeout_s=60,
            variables={},
            say=said.append,
            stopped=asyncio.Event(),
        ),
        said,
    )


async def test_an_environment_is_built_of_what_is_carried(tmp_path: Path) -> None:
    text = "[console_scripts]\ntool = tool:main\n"
    tool = pack_wheel(
        tmp_path, "tool-1-py3-none-any.whl",
        {"tool.py": "def main():\n    print('ran')\n", "tool-1.dist-info/entry_points.txt": text},
    )  # fmt: skip
    cache, wanted, said = order(tmp_path, make_wheel(tmp_path / "made", "colours", "1.0"), tool)

    await build(cache, wanted)

    assert not list(cache.path(KEY).glob("lib/**/__pycache__"))
    code = "import colours, sys; print(colours.VERSION, sys.prefix)"
    assert await asyncio.to_thread(run, cache.python(KEY), "-I", "-c", code) == f"1.0 {cache.path(KEY)}\n"
    assert await asyncio.to_thread(run, cache.path(KEY) / "bin/tool") == "ran\n"
    (one,) = cache
    assert one.facts["packages"] == ["colours 1.0", "tool 1"]
    assert "installing 2 packages with the agent itself" in said[0]
    assert any("unzipping colours-1.0" in line for line in said)


async def test_a_wheel_that_was_tampered_with_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    cache, wanted, _ = order(tmp_path, wheel := make_wheel(tmp_path / "made", "colours", "1.0"))
    stored = wanted.wheels_dir / wanted.wanted.wheels[wheel.name]
    stored.write_bytes(make_wheel(tmp_path / "evil", "colours", "1.0", code="EVIL = True").read_bytes())

    with pytest.raises(BuildFailedError, match=r"colours-1\.0.*SHA-256 is another"):
        await build(cache, wanted)

    assert list(cache.root.iterdir()) == []
    assert not stored.exists(), "the next attempt fetches it again"


async def test_building_can_be_stopped(tmp_path: Path) -> None:
    stopped = asyncio.Event()

    def stop(line: str) -> None:
        if "unzipping" in line:
            stopped.set()

    big = pack_wheel(tmp_path, "big-1-py3-none-any.whl", {"big.txt": bytes(200_000_000)})
    cache, wanted, _ = order(tmp_path, big)

    with pytest.raises(BuildStoppedError):
        await build(cache, replace(wanted, say=stop, stopped=stopped))

    assert list(cache.root.iterdir()) == []


async def test_building_has_a_time_and_ends_with_it(tmp_path: Path) -> None:
    cache, wanted, _ = order(tmp_path, pack_wheel(tmp_path, "big-1-py3-none-any.whl", {"big.txt": bytes(50_000_000)}))

    with pytest.raises(BuildFailedError, match="environment_timeout_s"):
        await build(cache, replace(wanted, timeout_s=0))

    assert list(cache.root.iterdir()) == []


async def test_what_is_not_carried_goes_to_another_python_or_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path / "made", "colours", "1.0")
    folder, named = carried(tmp_path / "wheels", wheel)
    other = replace(OWN, path="/other/python3", unpacks=False)

    def found(*_: object, **__: object) -> list[Interpreter]:
        return here

    monkeypatch.setattr("leasehold_agent.environments.getting.interpreters", found)
    rules = EnvironmentRules(cache_dir=str(tmp_path / "cache"), wheels_dir=str(folder))
    site = Site(rules=rules, python=OWN.path, allowed="index", surroundings={"PATH": "/nonexistent"}, variables={})

    async def got(wanted: WantedEnvironment) -> Ready:
        return await get(wanted, site, lambda _: None, asyncio.Event())

    here = [OWN]
    only_python = await got(WantedEnvironment(lock="", requires_python=">=3.11"))
    assert (only_python.python, only_python.hold) == (OWN.path, None)
    unpacked = await got(WantedEnvironment(lock=pinned(wheel), wheels=named))
    assert unpacked.hold is not None
    (folder / named[wheel.name]).unlink()
    again = await got(WantedEnvironment(lock=pinned(wheel)))
    assert again.python == unpacked.python, "what is built needs no wheels any more"
    wheel = make_wheel(tmp_path / "made", "paints", "1.0")
    with pytest.raises(NoEnvironmentError, match=r"for paints: carry the wheels \(leasehold deploy --wheels\), or add"):
        await got(WantedEnvironment(lock=pinned(wheel)))
    with pytest.raises(NoEnvironmentError, match=r"requires-python '>=3\.40' allows"):
        await got(WantedEnvironment(lock=pinned(wheel), requires_python=">=3.40"))
    here = [OWN, other]
    with pytest.raises(NoEnvironmentError, match="/other/python3"):
        await got(WantedEnvironment(lock=pinned(wheel)))
