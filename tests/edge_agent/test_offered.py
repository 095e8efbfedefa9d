"""What an agent finds out about its machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from leasehold_agent.config import Settings
from leasehold_agent.offered import Offered
from tests.support.containers.engine_in_place import EngineInPlace


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineInPlace]:
    engine = EngineInPlace(tmp_path)
    engine.start()
    yield engine
    engine.close()


async def test_an_engine_that_works_is_news_once(tmp_path: Path, engine: EngineInPlace) -> None:
    settings = Settings(state_dir=tmp_path, container_engine=engine.path, container_options=("--network=none",))
    offered = Offered(settings)
    before = (offered.runtimes, offered.pythons, offered.containers())

    news = [await offered.look(), await offered.look()]

    assert before == (["python", "program"], None, None)
    assert news == [True, False]
    assert offered.runtimes == ["python", "program", "container"]
    assert offered.pythons
    assert offered.containers() == {"engine": engine.path, "pull": "missing", "options": ["--network=none"]}


async def test_one_that_is_gone_is_news_again(tmp_path: Path, engine: EngineInPlace) -> None:
    offered = Offered(Settings(state_dir=tmp_path, container_engine=engine.path))
    await offered.look()
    engine.close()

    assert await offered.look()
    assert (offered.engine, offered.runtimes) == (None, ["python", "program"])


@pytest.mark.parametrize("wanted", ["lxc", "podman.exe"])
def test_a_setting_that_can_not_be_says_what_can(wanted: str) -> None:
    with pytest.raises(ValueError, match="write auto, podman, docker, none"):
        Settings(container_engine=wanted)
