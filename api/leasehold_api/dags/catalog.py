"""DAG versions and their bundles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from leasehold_api.acting import By
from leasehold_protocol.v1.manifest import Manifest
from leasehold_protocol.v1.runs import DagDetail, DagSummary, DagVersion, DeployedDag


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A manifest on its way into the catalog."""

    team_id: str
    manifest: Manifest
    created_by: str
    dag_id: str
    """Used when the DAG is new."""
    version_id: str
    signature: str | None = None
    """Fits the manifest: that was checked."""
    address: str | None = None
    """Where the request came from, for the audit trail."""


class DagStore(Protocol):
    """What was deployed. Its promises are ``tests/api/contracts/dag_store.py``."""

    async def deploy(self, new: NewVersion, *, now: float) -> DeployedDag:
        """Store a version; an unchanged manifest stays the version it was, unless a signature comes with it.

        Raises:
            ConflictError: if the manifest names a bundle or a wheel that was not sent before.
        """
        ...

    async def versions(self, team_id: str, dag: str, *, before: int | None, limit: int) -> list[DagVersion]:
        """Return the versions of a DAG, newest first; ``before``: only older ones than this.

        Raises:
            NotFoundError: if the team has no such DAG.
        """
        ...

    async def list(self, team_id: str) -> list[DagSummary]:
        """Return the team's DAGs by name."""
        ...

    async def get(self, team_id: str, dag: str) -> DagDetail:
        """Return the newest version of a DAG.

        Raises:
            NotFoundError: if the team has no such DAG.
        """
        ...

    async def has_bundle(self, team_id: str, sha256: str) -> bool:
        """Return whether the team sent this bundle before."""
        ...

    async def add_bundle(self, team_id: str, sha256: str, *, size: int, by: By) -> None:
        """Note a bundle whose bytes are stored."""
        ...
