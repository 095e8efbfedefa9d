"""The ``leasehold-api`` command, as a person meets it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from leasehold_api import __version__
from leasehold_api.cli import app


def test_the_version_is_told_for_people_and_for_programs() -> None:
    run = CliRunner().invoke

    assert run(app, ["--version"]).output == run(app, ["version"]).output == f"leasehold-api {__version__}\n"
    assert json.loads(run(app, ["version", "--json"]).output) == {"version": __version__}


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_is_listed(flag: str) -> None:
    shown = CliRunner().invoke(app, [flag]).output

    for command in ("serve", "migrate", "doctor", "backup", "restore", "audit", "keys", "users", "check-oidc"):
        assert f" {command} " in shown
