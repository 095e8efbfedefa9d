"""How the API sees an agent."""

from __future__ import annotations

from leasehold_protocol.v1.fleet import AgentStatus

DISCONNECTED_AFTER_S = 60.0


def status_of(
    *,
    is_locked: bool,
    last_seen_at: float | None,
    now: float,
    disconnected_after_s: float = DISCONNECTED_AFTER_S,
) -> AgentStatus:
    """Return an agent's status. Being disconnected is a state to look at: nothing is taken away from it."""
    if is_locked:
        return AgentStatus.LOCKED
    if last_seen_at is None:
        return AgentStatus.NEVER_SEEN
    return AgentStatus.CONNECTED if now - last_seen_at < disconnected_after_s else AgentStatus.DISCONNECTED
