"""What the agent tells the API of its own health."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from leasehold_agent.health.reasons import Reason
from leasehold_agent.health.vitals import Vitals
from leasehold_protocol.v1.health import AgentHealth, HealthReason

_LONGEST = 1000


def compose_health(reasons: Iterable[Reason], vitals: Vitals | None) -> AgentHealth:
    """Return the message; without a measurement it has the reasons only."""
    told = [
        HealthReason(
            name=reason.name.value,
            text=reason.text[:_LONGEST],
            since=datetime.fromtimestamp(reason.since, UTC),
            blocks=reason.blocks,
        )
        for reason in reasons
    ]
    if vitals is None:
        return AgentHealth(reasons=told)
    return AgentHealth(
        reasons=told,
        disk_free_bytes=vitals.disk_free_bytes,
        disk_budget_bytes=vitals.budget_bytes,
        spool_bytes=vitals.spool_bytes,
        undelivered_attempts=vitals.undelivered_attempts,
        undelivered_log_bytes=vitals.undelivered_log_bytes,
        oldest_undelivered_s=vitals.oldest_undelivered_s,
        rss_bytes=vitals.rss_bytes,
    )
