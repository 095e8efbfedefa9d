"""``make demo`` is the first thing a newcomer does: it works, also the second time, and ends everything it began."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.system.place import Place, environment

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_demo_runs_twice_and_leaves_no_process(tmp_path: Path) -> None:
    # A copy, because the demo keeps its files beside itself, and somebody may be using the real one.
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    demo = [sys.executable, "examples/demo.py"]

    shown = [_run(demo, tmp_path) for _ in range(2)]

    assert all("file_report" in text and "All processes have ended" in text for text in shown)
    assert Place(tmp_path).processes() == []


def _run(argv: list[str], home: Path) -> str:
    done = subprocess.run(
        argv, cwd=home, env=environment(home), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
