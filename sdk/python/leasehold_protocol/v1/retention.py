"""Deleting old runs, or some of what they left: what a policy, or a person, would delete, and what was."""

from __future__ import annotations

from enum import StrEnum
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


class Thinned(StrEnum):
    """What goes of a run that stays."""

    LOGS = "logs"
    XCOMS = "xcoms"
    METRICS = "metrics"


class ThinnedDag(Message):
    """What goes of runs that stay, of one DAG."""

    dag: Name
    what: Thinned
    days: float
    """How long it is kept after the end of a run."""
    runs: int
    oldest: Instant | None = None
    """When the oldest of the runs ended."""


class PruneAnswer(Message):
    """What goes, or would go. The newest run of a DAG always stays."""

    dry_run: bool
    items: list[PrunedDag] = Field(default_factory=list[PrunedDag])
    more: bool = False
    """There are more than one request takes: ask again."""
    thinned: list[ThinnedDag] = Field(default_factory=list[ThinnedDag])
    """Of a dry run without an age of its own: what the server deletes next of runs that stay."""
