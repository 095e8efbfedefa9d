"""The tutorial and the example: what they show is checked as an author would check it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import typer.main
from typer.core import TyperGroup

from leasehold.cli.app import make_app
from tests.cli.conftest import Leasehold

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs/tutorial/first-dag.md").read_text(encoding="utf-8")


DAG, ITS_TEST = re.findall(r"```python\n(.*?)```", TUTORIAL, re.DOTALL)


def test_the_tutorials_dag_is_fine(leasehold: Leasehold, tmp_path: Path) -> None:
    file = tmp_path / "weather.py"
    file.write_text(DAG)

    ended = leasehold("check", str(file))

    assert ended.code == 0
    assert "weather is fine (3 tasks)" in ended.out


def test_the_tutorials_test_passes(tmp_path: Path) -> None:
    (tmp_path / "weather.py").write_text(DAG)
    (tmp_path / "test_weather.py").write_text(ITS_TEST)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_weather.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_is_fine(leasehold: Leasehold) -> None:
    assert leasehold("check", str(ROOT / "examples/sensor_report.py")).code == 0


def test_every_command_and_option_that_the_tutorial_types_exists() -> None:
    typed: list[str] = re.findall(r"^\$ (leasehold .*)$", TUTORIAL, re.MULTILINE)

    for line in typed:
        command: object = typer.main.get_command(make_app())
        words = shlex.split(line)[1:]
        while isinstance(command, TyperGroup):
            command = command.commands[words.pop(0)]
        options = {name for param in getattr(command, "params", []) for name in getattr(param, "opts", [])}
        assert {word for word in words if word.startswith("--")} <= options, line
    assert len(typed) > 10
