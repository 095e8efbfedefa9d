"""How an agent is let in with a token, to the letter: as a service, in a container, or by hand. Pure.

A token never is an argument of a program: others on the machine can see those. It comes on standard input.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

SERVICE_USER = "leasehold-agent"
SERVICE_STATE = "/var/lib/leasehold-agent"
IMAGE = "leasehold-agent"
"""What packaging/api/agent.Containerfile is tagged as; and the volume with the agent's state."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a command finds the token: what comes before it, and after."""

    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """One way, and what to type for it."""

    how: str
    commands: tuple[str, ...]


def typed(token: str) -> Source:
    """Return the source of a token that is in the command line of the shell, and of no program."""
    # printf is part of the shell: no process has these arguments.
    return Source(before=f"printf '%s' {shlex.quote(token)} | ")


def kept(file: Path) -> Source:
    """Return the source of a token in a file, which the shell opens: the agent's user need not read it."""
    return Source(after=f" < {shlex.quote(file.name)}")


def ways(url: str, site: str, source: Source) -> list[Way]:
    """Return what to type at the site, for each form in which the agent comes."""
    enroll = f"enroll {url} --token-file -"
    volume = f"--volume {IMAGE}:{SERVICE_STATE}"
    as_service = f"sudo -u {SERVICE_USER} edge-agent {enroll} --state-dir {SERVICE_STATE}"
    contained = f"podman run --rm --interactive {volume} {IMAGE} {enroll} --name {site}-1"
    return [
        Way(
            "from the package (edge-agent_<version>_amd64.deb, or .rpm), as a service:",
            (f"{source.before}{as_service}{source.after}", "sudo systemctl enable --now edge-agent"),
        ),
        Way(
            "as your own user: the tar archive, edge-agent-<version>-x86_64, or pip:",
            (f"{source.before}edge-agent {enroll}{source.after}", "edge-agent run"),
        ),
        Way(
            "in a container:",
            (f"{source.before}{contained}{source.after}", f"podman run --detach --name {IMAGE} {volume} {IMAGE}"),
        ),
    ]


def in_lines(ways: list[Way]) -> list[str]:
    """Return the ways for a person."""
    return [line for way in ways for line in ("", f"  {way.how}", *(f"    {command}" for command in way.commands))]
