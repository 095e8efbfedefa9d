"""The service's definitions: tasks outlive the agent, and the service managers understand them."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

import pytest

from leasehold_agent.installing.places import places
from leasehold_agent.installing.units import launchd_plist, systemd_unit, windows_service

PROGRAM = Path("/opt/lease hold/100%/current/edge-agent")
HIGHEST_EXPOSURE = 3.0
TASKS_NEED = (
    "PrivateTmp=",
    "ProtectControlGroups=",
    "MemoryDenyWriteExecute=",
    "RestrictNamespaces=",
    "PrivateNetwork=",
)


def lines(unit: str) -> set[str]:
    return {line for line in unit.splitlines() if line and not line.startswith("#")}


@pytest.mark.parametrize("scope", ["system", "user"])
def test_tasks_outlive_the_agent_of_a_unit(scope: Literal["system", "user"]) -> None:
    unit = lines(systemd_unit(PROGRAM, scope))

    assert {"Type=notify", "NotifyAccess=main", "KillMode=process", "Delegate=yes", "Restart=always"} <= unit
    assert not [line for line in unit if line.startswith(TASKS_NEED)]
    assert 'ExecStart="/opt/lease hold/100%%/current/edge-agent" run' in unit
    assert 'ExecStop="/opt/lease hold/100%%/current/edge-agent" stop --force' in unit


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong_with_it_and_little_exposed(tmp_path: Path) -> None:
    program = tmp_path / "edge agent"
    program.symlink_to("/bin/true")
    unit = tmp_path / "edge-agent.service"
    unit.write_text(systemd_unit(program, "system"))

    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", unit], capture_output=True, text=True
    )

    assert (verified.returncode, verified.stderr) == (0, "")
    overall = next(line for line in rated.stdout.splitlines() if "Overall exposure level" in line)
    assert float(overall.partition("service: ")[2].split()[0]) <= HIGHEST_EXPOSURE


def test_launchd_leaves_what_the_agent_started_alone() -> None:
    agent = plistlib.loads(launchd_plist(Path("/opt/a & b/edge-agent"), "user").encode())
    daemon = plistlib.loads(launchd_plist(Path("/opt/edge-agent"), "system").encode())

    assert agent["ProgramArguments"] == ["/opt/a & b/edge-agent", "run"]
    assert agent["AbandonProcessGroup"] is True
    assert agent["Umask"] == 0o077
    assert "UserName" not in agent
    assert daemon["UserName"] == "leasehold-agent"


def test_the_definition_for_windows_names_the_program() -> None:
    service = ET.fromstring(windows_service(Path("C:/a & b/edge-agent.exe")))

    assert service.findtext("executable") == "C:/a & b/edge-agent.exe"
    assert service.findtext("stoparguments") == "stop --force"


def test_a_users_places_need_a_home_or_a_prefix() -> None:
    home = places("user", {}, home=Path("/home/ada"), prefix=None)
    moved = places("user", {"XDG_CONFIG_HOME": "/data/config"}, home=None, prefix=Path("/data"))

    assert home.versions == Path("/home/ada/.local/lib/leasehold")
    assert home.unit == Path("/home/ada/.config/systemd/user/edge-agent.service")
    assert moved.command == Path("/data/bin/edge-agent")
    assert moved.unit == Path("/data/config/systemd/user/edge-agent.service")
    with pytest.raises(ValueError, match="no home directory"):
        places("user", {}, home=None, prefix=None)
