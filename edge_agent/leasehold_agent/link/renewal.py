"""Renewals: every lease held, in as few requests as possible. What the answers say goes to the attempts."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from leasehold_agent.attempts.roster import Held, Roster, StopOrder
from leasehold_agent.clock import boottime
from leasehold_agent.fault_points import reach
from leasehold_agent.identity.oauth import Granted
from leasehold_agent.secret import Secret
from leasehold_protocol.v1.grants import StreamGrant
from leasehold_protocol.v1.health import AgentHealth
from leasehold_protocol.v1.leases import HeldLease, Renewal, RenewalAnswer, RenewalRequest, RenewalVerdict

SHORTEST_EVERY_S = 1.0
LONGEST_ANSWER_S = 15.0
PER_REQUEST = 1024
logger = logging.getLogger(__name__)


class RenewalApi(Protocol):
    """What is needed of ``link.api.Api``."""

    async def renew(self, request: RenewalRequest, *, within_s: float = ...) -> RenewalAnswer: ...


def renewal_every(held: Iterable[Held], wish_s: float) -> float:
    """Return the seconds between renewals: the API's wish, but three times within the shortest lease."""
    lengths = [one.length_s for one in held if not one.outcome_is_in]
    return max(SHORTEST_EVERY_S, min([wish_s, *(length / 3 for length in lengths)]))


async def renew(
    api: RenewalApi,
    roster: Roster,
    health: AgentHealth | None = None,
    *,
    now: datetime,
    grant: StreamGrant | None = None,
) -> RenewalAnswer:
    """Renew every lease once, say how the agent is, and tell the attempts what became of theirs.

    ``now`` is the server's time; ``grant`` keeps an open stream open.

    Raises:
        LinkError: nothing was renewed; the hosts stop their tasks by themselves should this last too long.
    """
    held = [one for one in roster.held if not one.outcome_is_in]
    leases = [
        HeldLease(attempt=one.attempt, progress=one.progress, note=_short(one.note), label=_short(one.label))
        for one in held
    ]
    leases += [HeldLease(attempt=one.attempt) for one in roster.waiting]
    parts = [leases[start : start + PER_REQUEST] for start in range(0, len(leases), PER_REQUEST)] or [[]]
    whole = RenewalAnswer()
    for part in parts:
        request = RenewalRequest(
            leases=part,
            names_all=len(parts) == 1,
            paused_because=roster.paused_because,
            health=health,
            asked_at=now,
            grant=grant,
        )
        asked_at = boottime()
        answer = await api.renew(request, within_s=renewal_every(held, LONGEST_ANSWER_S))
        reach("agent.renewal.answered.before-telling")
        for renewal in answer.leases:
            if one := roster.get(renewal.attempt):
                take_renewal(one, renewal, asked_at)
        whole = answer.model_copy(update={"control": [*whole.control, *answer.control]})
    return whole


def take_renewal(held: Held, renewal: Renewal, asked_at: float) -> None:
    """Apply the verdict on one lease. The new time counts from when the request was sent, never from the answer."""
    match renewal.verdict:
        case RenewalVerdict.RENEWED:
            held.length_s = renewal.length_s
            held.renew(max(held.deadline, asked_at + renewal.length_s))
        case RenewalVerdict.CANCELLED:
            if renewal.length_s:
                held.renew(max(held.deadline, asked_at + renewal.length_s))
            held.order_stop(StopOrder(kind="cancelled", reason=renewal.reason or "cancelled"))
        case RenewalVerdict.LOST if held.has_ended.is_set():
            pass  # Its outcome and this renewal were on the wire together: what has ended needs no lease.
        case RenewalVerdict.LOST:
            logger.warning("lease lost", extra={"attempt": held.attempt, "reason": renewal.reason})
            held.order_stop(StopOrder(kind="lease_expired", reason=renewal.reason or "another attempt has its place"))
    if renewal.task_token is not None:
        granted = Granted(token=Secret(renewal.task_token), lasts_s=renewal.task_token_expires_in_s)
        held.task_token.put(granted, asked_at=asked_at)


def _short(note: str | None) -> str | None:
    return note[:500] if note is not None else None
