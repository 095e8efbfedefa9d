"""The command's help: every command has an example, and the reference page says the same."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup

from leasehold.cli.app import make_app
from tests.cli.conftest import Leasehold

ROOT = Path(__file__).parents[2]


def commands(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], TyperCommand]]:
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from commands(below, (*path, name))
    elif isinstance(command, TyperCommand):
        yield path, command


ALL = dict(commands(typer.main.get_command(make_app())))


SAY_ONLY_THAT_IT_IS_DONE = {
    "login", "logout", "lock", "unlock", "trust", "untrust", "delete", "revoke", "remove", "platform-admin", "init",
    "limit",
}  # fmt: skip
SPEAK_FOR_THEMSELVES = {("dev",), ("audit", "export")}
"""A program that stays, and one whose output is JSON anyway."""


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_cli", ROOT / "docs/reference/generate_cli.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_an_example_of_itself(path: tuple[str, ...]) -> None:
    epilog = ALL[path].epilog or ""

    assert f"$ leasehold {' '.join(path)}" in epilog


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_option_says_what_it_does_and_what_it_takes(path: tuple[str, ...]) -> None:
    for param in ALL[path].params:
        assert getattr(param, "help", None), param.name
        assert getattr(param, "is_flag", False) or param.metavar, param.name


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_that_shows_something_has_json(path: tuple[str, ...]) -> None:
    options = {name for param in ALL[path].params for name in param.opts}

    assert "--json" in options or path[-1] in SAY_ONLY_THAT_IT_IS_DONE or path in SPEAK_FOR_THEMSELVES


def test_help_shows_the_example(leasehold: Leasehold) -> None:
    ended = leasehold("sites", "create", "--help")

    assert ended.code == 0
    assert "$ leasehold sites create plant" in ended.out


@pytest.mark.parametrize(
    "argv", [("nonsense",), ("sites", "create"), ("runs", "list", "--limit", "0"), ("sites", "--x")]
)
def test_a_command_line_that_cannot_be_is_exit_code_2(leasehold: Leasehold, argv: tuple[str, ...]) -> None:
    assert leasehold(*argv).code == 2


def test_the_version_is_printed(leasehold: Leasehold) -> None:
    assert leasehold("--version").out.startswith("leasehold ")


def test_the_reference_page_is_current() -> None:
    made = generator().page()

    assert (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8") == made, "python docs/reference/generate_cli.py"
