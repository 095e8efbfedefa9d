"""A zygote for the suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.edge_agent.host.harness import Zygote


@pytest.fixture(scope="package")
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.close()
