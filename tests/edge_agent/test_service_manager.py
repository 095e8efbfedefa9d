"""What the agent tells systemd: through a real socket, and to nobody else."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasehold_agent.service_manager import LONGEST_SILENCE_S, ServiceManager, is_stuck


@pytest.fixture
def line(tmp_path: Path) -> Iterator[socket.socket]:
    """The end of the line that the service manager has."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(10)
        yield line


def test_it_says_when_it_is_ready_and_when_it_ends(line: socket.socket) -> None:
    manager = ServiceManager.take_from({"NOTIFY_SOCKET": line.getsockname()})

    manager.ready()
    manager.stopping()

    assert line.recv(1024).startswith(b"READY=1\n")
    assert line.recv(1024).startswith(b"STOPPING=1\n")


def test_a_task_never_gets_the_line() -> None:
    environ = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}

    ServiceManager.take_from(environ)

    assert environ == {"PATH": "/bin"}


async def test_the_watchdog_is_fed_while_the_link_gets_somewhere(line: socket.socket) -> None:
    line.setblocking(False)
    watchdog = {"WATCHDOG_USEC": "30000", "WATCHDOG_PID": str(os.getpid())}
    manager = ServiceManager.take_from({"NOTIFY_SOCKET": line.getsockname(), **watchdog})

    feeding = asyncio.create_task(manager.keep_fed(time.monotonic))
    loop = asyncio.get_running_loop()
    fed = [await asyncio.wait_for(loop.sock_recv(line, 1024), 10) for _ in range(3)]
    feeding.cancel()

    assert fed == [b"WATCHDOG=1"] * 3


async def test_a_watchdog_of_another_process_is_not_ours(line: socket.socket) -> None:
    manager = ServiceManager.take_from(
        {"NOTIFY_SOCKET": line.getsockname(), "WATCHDOG_USEC": "30000", "WATCHDOG_PID": "1"}
    )

    await manager.keep_fed(time.monotonic)  # ends at once


def test_a_silent_link_is_stuck_and_an_idle_one_is_not() -> None:
    assert not is_stuck(now=1000.0 + LONGEST_SILENCE_S, last_progress=1000.0)
    assert is_stuck(now=1000.1 + LONGEST_SILENCE_S, last_progress=1000.0)


def test_without_a_service_manager_nothing_happens() -> None:
    manager = ServiceManager.take_from({})

    manager.ready()
    asyncio.run(manager.keep_fed(time.monotonic))
