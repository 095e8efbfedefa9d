"""What the agent says about itself: asked at ``<state>/agent.sock`` while it runs, else read from the disk."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leasehold_agent.attempts.directory import AttemptDirectories
from leasehold_agent.health.disk import MIB
from leasehold_agent.health.reasons import Reason
from leasehold_agent.health.vitals import Vitals
from leasehold_agent.local_socket import reachable, serve_privately
from leasehold_agent.recovery import survey

_SOCKET = "agent.sock"
_ASK_TIMEOUT_S = 5.0


class AttemptStatus(BaseModel):
    """One attempt on this disk."""

    model_config = ConfigDict(frozen=True)

    attempt: str
    task: str
    phase: str
    """``starting``, ``running``, ``delivering``, or what was found on disk: ``ended``, ``lost``, ``refused``."""
    progress: float | None = None
    note: str | None = None
    trouble: str | None = None


class ReasonStatus(BaseModel):
    """One named reason; docs/reference/agent-health.md has its cure."""

    model_config = ConfigDict(frozen=True)

    name: str
    text: str
    since: datetime
    blocks: bool
    """No new work is taken while it holds."""


class DiskStatus(BaseModel):
    """The agent's part of the disk, and what is left of all."""

    model_config = ConfigDict(frozen=True)

    free_mb: int
    low_water_mb: int
    used_mb: int
    budget_mb: int
    undelivered_attempts: int
    undelivered_log_bytes: int
    oldest_undelivered_s: float | None = None


class Status(BaseModel):
    """``edge-agent status --json``."""

    model_config = ConfigDict(frozen=True)

    running: bool
    """The agent process is there."""
    version: str
    state_dir: str
    pid: int | None = None
    agent: str | None = None
    """The client id; none when not enrolled."""
    name: str | None = None
    site: str | None = None
    team: str | None = None
    api_url: str | None = None
    link: str = "not running"
    """``connected``, ``connecting``, or why not."""
    way: str | None = None
    """``pull`` or ``push``: how leases come at the moment."""
    slots: int | None = None
    paused_because: list[str] = Field(default_factory=list[str])
    """Why no new work is taken; empty when it is."""
    policy: str | None = None
    """The site's policy in a few words; none when there is none."""
    containers: str | None = None
    """The engine that runs containers; none: they don't run here."""
    pythons: list[str] = Field(default_factory=list[str])
    """The versions of Python that tasks may have."""
    packs: list[str] = Field(default_factory=list[str])
    """The packs that are installed for tasks, like ``python3.12 3.12.4``."""
    reasons: list[ReasonStatus] = Field(default_factory=list[ReasonStatus])
    """The same by name and time, and what keeps no work out but should be known."""
    disk: DiskStatus | None = None
    attempts: list[AttemptStatus] = Field(default_factory=list[AttemptStatus])


class StatusSocket:
    """Answers every connection with one JSON document, for this user and root only."""

    def __init__(self, state_dir: Path, snapshot: Callable[[], Status]) -> None:
        self._path = state_dir / _SOCKET
        self._snapshot = snapshot

    async def serve(self) -> None:
        """Answer, until cancelled. Without the socket the agent works all the same."""
        await serve_privately(self._path, self._answer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        with suppress(OSError):
            writer.write(self._snapshot().model_dump_json().encode() + b"\n")
            await writer.drain()
        writer.close()


def reason_status(reason: Reason) -> ReasonStatus:
    """Return a reason as it is shown."""
    since = datetime.fromtimestamp(reason.since, UTC)
    return ReasonStatus(name=reason.name.value, text=reason.text, since=since, blocks=reason.blocks)


def disk_status(vitals: Vitals | None, *, low_water_mb: int) -> DiskStatus | None:
    """Return the disk as it is shown; none before the first measurement."""
    if vitals is None:
        return None
    return DiskStatus(
        free_mb=vitals.disk_free_bytes // MIB,
        low_water_mb=low_water_mb,
        used_mb=vitals.spool_bytes // MIB,
        budget_mb=vitals.budget_bytes // MIB,
        undelivered_attempts=vitals.undelivered_attempts,
        undelivered_log_bytes=vitals.undelivered_log_bytes,
        oldest_undelivered_s=vitals.oldest_undelivered_s,
    )


def ask_running_agent(state_dir: Path) -> Status | None:
    """Return what the agent process says; none when there is none."""
    answer = bytearray()
    try:
        with reachable(state_dir / _SOCKET) as path, socket.socket(socket.AF_UNIX) as line:
            line.settimeout(_ASK_TIMEOUT_S)
            line.connect(path)
            while part := line.recv(65536):
                answer += part
        return Status.model_validate_json(bytes(answer))
    except (OSError, ValidationError):
        return None


def attempts_on_disk(state_dir: Path) -> list[AttemptStatus]:
    """Return what the disk says about attempts; only while no agent process runs, whose starts it could disturb."""
    on_disk = survey(AttemptDirectories(state_dir / "attempts"))
    known = [(found.directory, found.state.value) for found in on_disk.undelivered]
    known += [(directory, "refused") for directory in on_disk.refused]
    known += [(directory, "delivered") for directory in on_disk.covered]
    return [
        AttemptStatus(attempt=directory.attempt, task=directory.title(), phase=phase)
        for directory, phase in sorted(known, key=lambda pair: pair[0].attempt)
    ]
