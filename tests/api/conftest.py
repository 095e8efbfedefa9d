"""The API, running in the test's process."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_server import Api, EnrolledAgent, open_api
from tests.support.databases import fresh_postgresql


@pytest.fixture(scope="session")
def fresh_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state directory as the first start leaves it; made once, because migrating takes long."""

    async def start_once(state_dir: Path) -> None:
        async with open_api(state_dir):
            pass

    state_dir = tmp_path_factory.mktemp("fresh") / "state"
    asyncio.run(start_once(state_dir))
    return state_dir


Opener = Callable[..., AbstractAsyncContextManager[Api]]


@pytest.fixture
def opened(fresh_state: Path, tmp_path: Path) -> Opener:
    """Return what opens an API that was never used before, with settings of the test's choice."""

    def opened(**settings: Any) -> AbstractAsyncContextManager[Api]:
        return open_api(shutil.copytree(fresh_state, tmp_path / "state"), **settings)

    return opened


@pytest.fixture
async def api(request: pytest.FixtureRequest, fresh_state: Path, tmp_path: Path) -> AsyncIterator[Api]:
    """Return an API that was never used before; on PostgreSQL where a test asks for it by parameter.

    ``LEASEHOLD_TEST_STORE=postgresql`` runs every test there.
    """
    store = getattr(request, "param", os.environ.get("LEASEHOLD_TEST_STORE", "sqlite"))
    if store == "sqlite":
        async with open_api(shutil.copytree(fresh_state, tmp_path / "state")) as running:
            yield running
    else:
        with fresh_postgresql() as url:
            async with open_api(tmp_path / "state", database_url=url) as running:
                yield running


@pytest.fixture
async def north(api: Api) -> EnrolledAgent:
    """Return an agent that enrolled at the site north, and signed in."""
    await api.make_site("north")
    return await api.enrol("north")
