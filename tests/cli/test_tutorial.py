"""The tutorial and the example: what they show is checked as an author would check it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import typer.main
from typer.core import TyperGroup

from leasehold.cli.app import app
from tests.cli.conftest import Leasehold

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs/tutorial/first-dag.md").read_text(encoding="utf-8")


def test_the_tutorials_dag_is_fine(leasehold: Leasehold, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TUTORIAL, re.DOTALL)
    file = tmp_path / "weather.py"
    file.write_text(code)

    ended = leasehold("check", str(file))

    assert ended.code == 0
    assert "weather is fine (3 tasks)" in ended.out


def test_the_example_is_fine(leasehold: Leasehold) -> None:
    assert leasehold("check", str(ROOT / "examples/sensor_report.py")).code == 0


def test_every_command_and_option_that_the_tutorial_types_exists() -> None:
    typed: list[str] = re.findall(r"^\$ (leasehold .*)$", TUTORIAL, re.MULTILINE)

    for line in typed:
        command: object = typer.main.get_command(app)
        words = shlex.split(line)[1:]
        while isinstance(command, TyperGroup):
            command = command.commands[words.pop(0)]
        options = {name for param in getattr(command, "params", []) for name in getattr(param, "opts", [])}
        assert {word for word in words if word.startswith("--")} <= options, line
    assert len(typed) > 10
