"""What happens next, at the end of an enrolment: how this agent is started, and how to see that all is well."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from leasehold_agent.config import Settings
from leasehold_agent.installing.places import SYSTEM_STATE, SYSTEM_UNITS

_CONTAINER_MARKS = (Path("/run/.containerenv"), Path("/.dockerenv"))


def told_after_enrolment(settings: Settings, origins: Mapping[str, str], *, name: str) -> str:
    """Return the lines; ``origins`` says where each setting came from (``config.Loaded``)."""
    service = any(unit.exists() for unit in SYSTEM_UNITS)
    contained = any(mark.exists() for mark in _CONTAINER_MARKS)
    flags = _flags(settings, origins)
    return in_lines(
        start=start(settings.state_dir, flags, has_service=service, is_contained=contained), flags=flags, name=name
    )


def start(state_dir: Path, flags: str, *, has_service: bool, is_contained: bool) -> str:
    """Return how an agent with this state directory is started."""
    if state_dir == SYSTEM_STATE and has_service:
        return "sudo systemctl enable --now edge-agent"
    if is_contained and state_dir == SYSTEM_STATE:
        return "start a container with this volume, as its Containerfile shows"
    return f"edge-agent run{flags}"


def in_lines(*, start: str, flags: str, name: str) -> str:
    """Return what to tell."""
    return (
        "It takes work as soon as it runs, and comes back by itself from any outage.\n\n"
        f"  Start it:     {start}\n"
        f"  Is all well?  edge-agent doctor{flags}\n"
        f"  From afar:    leasehold agents show {shlex.quote(name)}\n"
    )


def _flags(settings: Settings, origins: Mapping[str, str]) -> str:
    """Return the flags that the next command needs, too: what came from elsewhere comes from there again."""
    given = f" --state-dir {shlex.quote(str(settings.state_dir))}" if origins.get("state_dir") == "--state-dir" else ""
    if origins.get("ca_file") == "--ca-file":
        given += f" --ca-file {shlex.quote(str(settings.ca_file))}"
    return given
