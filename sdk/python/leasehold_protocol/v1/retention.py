"""Deleting old runs: what a policy, or a person, would delete, and what was."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from leasehold_protocol.v1.message import Instant, Message, Name

Days = Annotated[float, Field(gt=0, le=36500, allow_inf_nan=False)]


class PruneRequest(Message):
    """``POST /v1/teams/{team}/prune``: delete runs that ended long ago, with all they left."""

    older_than_days: Days | None = None
    """None: as the retention in force says."""
    dag: Name | None = None
    """Only runs of this DAG."""
    dry_run: bool = True
    """Only say what would go."""


class PrunedDag(Message):
    """What goes of one DAG."""

    dag: Name
    days: float
    """How long its runs are kept."""
    runs: int
    oldest: Instant | None = None
    """When the oldest of them ended."""


class PruneAnswer(Message):
    """What goes, or would go. The newest run of a DAG always stays."""

    dry_run: bool
    items: list[PrunedDag] = Field(default_factory=list[PrunedDag])
    more: bool = False
    """There are more than one request takes: ask again."""
