"""The agent beside the service: found as a program, and what it takes with it of the service's environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasehold_api import local_agent
from leasehold_api.local_agent import LocalAgent, NoProgramError, find_program
from tests.support.api_server import Api


def test_where_the_agent_is_not_installed_the_error_names_the_cure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local_agent.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NoProgramError, match="install leasehold-agent beside leasehold-api, or set local_slots to 0"):
        find_program()


async def test_the_agent_gets_none_of_the_services_settings(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASEHOLD_API_DATABASE_URL", "postgresql://leasehold:correct-horse@db/leasehold")
    monkeypatch.setenv("LEASEHOLD_AGENT_LINK", "pull")

    given = LocalAgent(api.house, Path("/usr/bin/edge-agent"))._environment()

    assert not [name for name in given if name.startswith("LEASEHOLD_API_")]
    assert given["LEASEHOLD_AGENT_LINK"] == "push"
