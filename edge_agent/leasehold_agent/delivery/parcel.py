"""One ended attempt as it travels: its ending, and as much of its telemetry as is small. Pure but for reading."""

from __future__ import annotations

import json
from dataclasses import dataclass

from leasehold_agent.delivery.delivered import Delivered
from leasehold_agent.delivery.produced import Produced, StoredXCom
from leasehold_protocol.v1.context import XCOM_INLINE_BYTES
from leasehold_protocol.v1.leases import Ending, EndingKind, Outcome, SmallXCom
from leasehold_protocol.v1.telemetry import LogTail, MetricPoint
from leasehold_protocol.v1.waiting import StateChange

LOG_TAIL_BYTES = 64 * 1024
METRIC_POINTS = 500
_MESSAGE_LIMIT = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class XComSplit:
    """Which XComs travel with the outcome, and which must be there before it takes effect."""

    small: list[StoredXCom]
    first: list[StoredXCom]


def split_xcoms(newest: list[StoredXCom]) -> XComSplit:
    """Fill the outcome with the smallest XComs, up to the length of one inline value in all."""
    small: list[StoredXCom] = []
    first: list[StoredXCom] = []
    left = XCOM_INLINE_BYTES
    for xcom in sorted(newest, key=lambda xcom: xcom.size):
        if xcom.size <= left and not xcom.files:
            small.append(xcom)
            left -= xcom.size
        else:
            first.append(xcom)
    return XComSplit(small=small, first=first)


def pack(attempt: str, ending: Ending, produced: Produced, delivered: Delivered, small: list[StoredXCom]) -> Outcome:
    """Return the outcome of an ended attempt, with what fits of what is not delivered yet.

    All of the task's state that is not delivered goes with it: whoever calls sent before what is too much for that.
    """
    points: list[MetricPoint] = produced.metrics_after(delivered.metric_seq, METRIC_POINTS)
    return Outcome(
        attempt=attempt,
        ending=ending,
        xcoms=[SmallXCom(key=xcom.key, value=xcom.value()) for xcom in small],
        log=_tail(produced, delivered.log_offset),
        metrics=points,
        rendered=produced.rendered(),
        state=[change for _, change in produced.state_after(delivered.state_seq)],
    )


def _tail(produced: Produced, offset: int) -> LogTail | None:
    """Return the rest of the log when it is short; a long one follows the outcome in parts."""
    size = produced.log_size()
    if size - offset > LOG_TAIL_BYTES or offset > size:
        return None
    data = produced.log_part(offset, size - offset)
    return LogTail(offset=offset, data=data, size=size, sha256=produced.log_sha256())


def weight(outcome: Outcome) -> int:
    """Return about how many bytes an outcome takes in a request."""
    log = len(outcome.log.data) * 4 // 3 if outcome.log else 0
    xcoms = sum(len(json.dumps(xcom.value, ensure_ascii=False)) for xcom in outcome.xcoms)
    shown = sum(len(field.name) + len(field.text) for field in outcome.rendered.fields) if outcome.rendered else 0
    return 1024 + log + 160 * len(outcome.metrics) + xcoms + shown + sum(map(state_weight, outcome.state))


def state_weight(change: StateChange) -> int:
    """Return about how many bytes a write to the task's state takes in a request."""
    return 160 + len(change.key or "") + len(json.dumps(change.value, ensure_ascii=False))


def undeliverable(ending: Ending, what: str, reason: str) -> Ending:
    """Return the ending of an attempt of which the API refuses a part: a success without its result would be a lie."""
    message = f"{what} was refused by the API: {reason}"[:_MESSAGE_LIMIT]
    kind = EndingKind.FAILED if ending.kind is EndingKind.SUCCESS else ending.kind
    return ending.model_copy(update={"kind": kind, "message": message})
