"""What the tests with real processes share: a place per module, ended to its last process afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.place import Place, open_place


@pytest.fixture(scope="module")
def empty_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place where nothing runs yet."""
    with open_place(tmp_path_factory.mktemp("place")) as place:
        yield place


@pytest.fixture(scope="module")
def api(empty_place: Place) -> Place:
    """A place with an API on SQLite and the sites north and plant."""
    empty_place.serve()
    for site in ("north", "plant"):
        empty_place.make_site(site)
    return empty_place


@pytest.fixture(scope="module")
def place(api: Place) -> Place:
    """A place with an API and an agent at each of its sites."""
    for site in ("north", "plant"):
        api.enroll(site, f"{site}-1")
        api.start_agent(f"{site}-1", "--slots", "4")
    return api


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file that tasks wait for: what happens before they see it happens in the middle of the task."""
    return tmp_path / "gate"
