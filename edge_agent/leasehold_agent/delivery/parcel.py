"""One ended attempt as it travels: its ending, and as much of its telemetry as is small. Pure but for reading."""

from __future__ import annotations

import json
from dataclasses import dataclass

from leasehold_agent.delivery.delivered import Delivered
from leasehold_agent.delivery.produced import Produced, StoredXCom
from leasehold_protocol.v1.context import XCOM_INLINE_BYTES
from leasehold_protocol.v1.leases import Ending, EndingKind, Outcome, SmallXCom
from leasehold_protocol.v1.telemetry import LogTail, MetricPoint

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
    """Return the outcome of an ended attempt, with what fits of what is not delivered yet."""
    points: list[MetricPoint] = produced.metrics_after(delivered.metric_seq, METRIC_POINTS)
    return Outcome(
        attempt=attempt,
        ending=ending,
        xcoms=[SmallXCom(key=xcom.key, value=xcom.value()) for xcom in small],
        log=_tail(produced, delivered.log_offset),
        metrics=points,
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
    return 1024 + log + 160 * len(outcome.metrics) + xcoms


def undeliverable(ending: Ending, key: str, reason: str) -> Ending:
    """Return the ending of an attempt whose XCom the API refuses: a success without its result would be a lie."""
    message = f"XCom {key!r} was refused by the API: {reason}"[:_MESSAGE_LIMIT]
    kind = EndingKind.FAILED if ending.kind is EndingKind.SUCCESS else ending.kind
    return ending.model_copy(update={"kind": kind, "message": message})
