"""What an operator is told to type after an enrolment, on each kind of machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasehold_agent.commands.next_steps import in_lines, start, told_after_enrolment
from leasehold_agent.config import Settings
from leasehold_agent.installing.places import SYSTEM_STATE

OWN = Path("/home/somebody/.local/state/leasehold-agent")


@pytest.mark.parametrize(
    ("state_dir", "has_service", "is_contained", "told"),
    [
        (SYSTEM_STATE, True, False, "sudo systemctl enable --now edge-agent"),
        (SYSTEM_STATE, False, True, "start a container with this volume"),
        (SYSTEM_STATE, False, False, "edge-agent run --flag"),
        (OWN, True, True, "edge-agent run --flag"),
    ],
    ids=["a package", "a container", "root's own", "a user's own"],
)
def test_it_is_started_as_it_was_installed(state_dir: Path, has_service: bool, is_contained: bool, told: str) -> None:
    assert start(state_dir, " --flag", has_service=has_service, is_contained=is_contained).startswith(told)


def test_flags_are_repeated_and_what_comes_from_elsewhere_is_not(tmp_path: Path) -> None:
    ca_file = tmp_path / "our authority.pem"
    ca_file.touch()
    settings = Settings(state_dir=tmp_path, ca_file=ca_file)

    flags = told_after_enrolment(settings, {"state_dir": "--state-dir", "ca_file": "--ca-file"}, name="plant-1")
    variables = told_after_enrolment(settings, {"state_dir": "LEASEHOLD_AGENT_STATE_DIR"}, name="plant-1")

    assert f"edge-agent doctor --state-dir {tmp_path} --ca-file '{ca_file}'\n" in flags
    assert "edge-agent doctor\n" in variables


def test_a_name_that_a_shell_would_read_otherwise_is_quoted() -> None:
    assert "leasehold agents show 'plant 1'" in in_lines(start="", flags="", name="plant 1")
