"""What attempts leave behind: XComs, metrics, the state of their logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from leasehold_protocol.v1.telemetry import MetricPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """What is known of an attempt's log besides its bytes."""

    ended: bool
    size: int | None
    """Known once the attempt has ended."""
    complete: bool
    deleted_at: float | None = None
    """Retention deleted it then."""


class AttemptStore(Protocol):
    """Telemetry in the database. Its promises are ``tests/api/contracts/lease_store.py``."""

    async def require(self, agent_id: str, attempt: str) -> None:
        """Make sure that this agent was given this attempt, whatever became of it.

        Raises:
            NotFoundError: otherwise.
        """
        ...

    async def put_xcom(
        self,
        agent_id: str,
        attempt: str,
        key: str,
        *,
        value: str | None,
        size: int,
        upload: str | None,
        files: Mapping[str, int] | None = None,
        length: int | None = None,
    ) -> None:
        """Store an XCom, and the files (SHA-256 → size) that it names, in one transaction with the epoch's comparison.

        ``length`` is how many items the list or dictionary of an upload has.

        Raises:
            LeaseLostError: if a newer epoch was leased, or the task instance is over.
        """
        ...

    async def put_metrics(self, agent_id: str, attempt: str, points: Sequence[MetricPoint]) -> int:
        """Store points and return the highest sequence number that is stored."""
        ...

    async def note_logs(self, sizes: Mapping[str, int]) -> list[str]:
        """Note the logs, by attempt, of which all is here, and how long they are: in one commit.

        Returns:
            the attempts whose logs came too late: retention had deleted what there was, and they are not kept.
        """
        ...

    async def log_state(self, team_id: str, attempt: str) -> LogState:
        """Return what is known of a log.

        Raises:
            NotFoundError: if the team has no such attempt.
        """
        ...

    async def holds_bundle(self, agent_id: str, sha256: str) -> bool:
        """Return whether this agent holds a lease whose code is in this bundle, or needs this wheel."""
        ...
