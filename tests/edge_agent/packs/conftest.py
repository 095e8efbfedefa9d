"""A publisher, and a site that trusts it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from leasehold_agent.packs.names import Pack
from tests.edge_agent.packs.site import OLD, Site
from tests.support.packs import small_pack
from tests.support.releases import Publisher, serving


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    (tmp_path / "publisher").mkdir()
    return Publisher(tmp_path / "publisher")


@pytest.fixture
def site(tmp_path: Path, publisher: Publisher) -> Iterator[Site]:
    (tmp_path / "site").mkdir()
    with serving(publisher.public) as web:
        yield Site(tmp_path / "site", publisher, web)


@pytest.fixture
def old(publisher: Publisher, tmp_path: Path) -> Pack:
    return publisher.add_pack(small_pack(tmp_path, version=OLD))
