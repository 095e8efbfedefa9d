"""A short folder for sockets, and an attempt host on one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasehold.runtime.host import hang_up
from tests.support.task_server import TaskServer, serve_task


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[TaskServer]:
    """An attempt host that this process is the task of."""
    # A Unix socket's path may have 107 bytes, which pytest's own folders soon fill.
    with tempfile.TemporaryDirectory(prefix="lh") as folder, serve_task(Path(folder)) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server
        hang_up()


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """No attempt host: the script is run by hand."""
    monkeypatch.delenv("LEASEHOLD_TASK_URL", raising=False)
