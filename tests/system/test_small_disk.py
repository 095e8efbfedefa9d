"""A disk that is full: on a real small file system, with tasks that write more than it holds."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.system.place import Place
from tests.system.programs import until

SIZE_MB = 24
NOISY = """\
from leasehold import dag, shell


@dag
def noisy(gate: str = "", full: str = ""):
    for name in ("first", "second", "third"):
        shell(
            "seq -f 'line %.0f of much text that fills the disk of this site to its end' 1 150000; "
            "touch {{ params.full }}." + name + "; while [ ! -e {{ params.gate }} ]; do sleep 0.1; done; echo end",
            id=name,
        )
"""


@pytest.fixture
def small(api: Place) -> Iterator[Path]:
    """A state directory on a file system of its own."""
    folder = api.home / "small-1"
    folder.mkdir(mode=0o700)
    options = f"size={SIZE_MB}m,mode=700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        # What still has its folder there keeps it until it ends: the place's own end waits for that.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def status(place: Place) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(place.command("edge-agent", "status", "--json", "--state-dir", "small-1"))
    return shown


def names(place: Place) -> set[str]:
    return {reason["name"] for reason in status(place)["reasons"]}


def test_a_full_disk_pauses_leasing_loses_no_acknowledged_line_and_recovers_alone(
    api: Place, small: Path, gate: Path, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting takes root")
    api.enroll("north", "small-1")
    limits = {"LEASEHOLD_AGENT_DISK_LOW_WATER_MB": "8", "LEASEHOLD_AGENT_DISK_BUDGET_MB": "1000"}
    agent = api.start_agent("small-1", "--slots", "4", more=limits)
    ballast = small / "ballast"
    ballast.write_bytes(b"x" * (4 << 20))
    api.deploy("noisy", NOISY)

    run = api.trigger("noisy", gate=str(gate), full=str(tmp_path / "full"))
    until(lambda: "disk" in names(api), "leasing pauses")
    until(lambda: len(list(tmp_path.glob("full.*"))) == 3, "every task wrote all it had to say")
    waiting = api.trigger("noisy", gate=str(gate), full=str(tmp_path / "later"))
    shown = api.get("agents/small-1")
    gate.touch()
    ended = api.finished(run)
    later = api.finished(waiting)

    assert agent.is_alive, agent.said()
    assert "Traceback" not in agent.said()
    assert any("disk" in reason for reason in shown["paused_because"]), shown
    assert (ended["state"], later["state"]) == ("success", "success")
    for task in ended["tasks"]:
        _check_log(api.log_of(task["attempts"][-1]["attempt"]))
    until(lambda: not list((small / "attempts").iterdir()), "everything is delivered and gone")


def _check_log(log: bytes) -> None:
    """Every line is there in order, or a line says how much is missing."""
    texts = [line.split(b" ", 2)[2].decode() for line in log.splitlines()]
    numbers = [int(found[1]) for text in texts if (found := re.match(r"line (\d+) of", text))]
    assert numbers == sorted(set(numbers))
    gaps = sum(1 for one, following in pairwise(numbers) if following != one + 1)
    missing = len(numbers) < 150_000
    said = any("bytes of output were dropped: the disk was full" in text for text in texts)
    assert said == bool(gaps or missing)
    assert texts[-1] == "end" or said
