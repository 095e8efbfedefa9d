"""The demo's bookkeeping: it finds and ends what it started, to the last process, and nothing else."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from examples import demo_processes as processes
from examples import plant_data

# Each says that it is ready by connecting to the test.
WAITS = "import socket, sys, time; socket.create_connection(('127.0.0.1', int(sys.argv[1]))).close(); time.sleep(60)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + WAITS
PARENT = (
    "import subprocess, sys, time;"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True);" + WAITS
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A directory whose processes are ended however the test ends."""
    yield tmp_path
    for file in tmp_path.glob("*.pid"):
        for process in processes.load(file):
            if processes.is_alive(process):
                os.kill(process.pid, signal.SIGKILL)


def started(folder: Path, code: str, name: str = "api") -> processes.Process:
    """Start a Python program and wait until it says that it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as ready:
        ready.settimeout(20)
        argv = [sys.executable, "-c", code, str(ready.getsockname()[1])]
        process = processes.start(name, argv, log=folder / f"{name}.log", env=dict(os.environ), cwd=folder)
        processes.save([process], folder / f"{name}.pid")
        ready.accept()[0].close()
    return process


def test_a_process_is_ended_by_asking(folder: Path) -> None:
    process = started(folder, WAITS)
    assert processes.is_alive(process)

    assert processes.stop([process], patience_s=10) == []

    assert not processes.is_alive(process)


def test_one_that_is_deaf_is_killed_and_reported(folder: Path) -> None:
    process = started(folder, DEAF)

    assert processes.stop([process], patience_s=0.1) == [process]

    assert not processes.is_alive(process)


def test_a_pid_that_is_somebody_elses_by_now_is_left_alone(folder: Path) -> None:
    process = started(folder, WAITS)
    earlier = replace(process, began="1")

    assert processes.stop([earlier], patience_s=0.1) == []

    assert processes.is_alive(process)


def test_what_was_written_down_is_found_again(folder: Path) -> None:
    process = started(folder, WAITS)

    assert processes.load(folder / "api.pid") == [process]
    assert processes.load(folder / "missing.pid") == []


def test_what_a_process_started_in_a_session_of_its_own_is_found(folder: Path) -> None:
    process = started(folder, PARENT)

    below = processes.descendants(process.pid)

    assert len(below) == 1
    processes.save([process, *below], folder / "api.pid")
    assert processes.stop([process, *below], patience_s=10) == []


def test_the_plant_has_the_same_readings_every_time(tmp_path: Path) -> None:
    first, second = tmp_path / "first.db", tmp_path / "second.db"

    written = [plant_data.write(file) for file in (first, second)]

    with closing(sqlite3.connect(first)) as one, closing(sqlite3.connect(second)) as other:
        query = "SELECT * FROM readings ORDER BY day, at, sensor"
        rows = one.execute(query).fetchall()
        assert rows == other.execute(query).fetchall()
    assert written == [len(rows)] * 2
