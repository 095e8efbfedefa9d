"""A zygote for all tests, and attempts that leave no process behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge_agent.host.harness import Attempt, Zygote


@pytest.fixture(scope="package")
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.close()


@pytest.fixture
def attempt(tmp_path: Path, zygote: Zygote) -> Iterator[Attempt]:
    attempt = Attempt(tmp_path / "ti-1.1", zygote)
    yield attempt
    attempt.clean_up()
