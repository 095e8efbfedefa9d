"""Ended attempts that fit whole into one request, many at a time: what gathered in an outage goes this way.

An attempt with a long log, a large result or nothing readable is no letter: it is attended to by itself. Blocks.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from leasehold_agent.attempts.directory import AttemptDirectory
from leasehold_agent.delivery.delivered import Delivered, read_delivered, write_delivered
from leasehold_agent.delivery.parcel import METRIC_POINTS, pack, split_xcoms, weight
from leasehold_agent.delivery.produced import Produced
from leasehold_protocol.v1.leases import Outcome, OutcomeAck, OutcomeVerdict

LETTER_BYTES = 32 * 1024
"""What is heavier goes by itself: so memory does not grow with the number of letters."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One attempt, whole."""

    directory: AttemptDirectory
    outcome: Outcome
    xcom_seq: int
    sent_before: Delivered

    def stands(self, ack: OutcomeAck) -> Delivered:
        """Return how far delivery is after the API's answer."""
        before = self.sent_before
        return Delivered(
            outcome=ack.verdict,
            log_offset=before.log_offset if ack.log_offset is None else ack.log_offset,
            metric_seq=before.metric_seq if ack.metric_seq is None else ack.metric_seq,
            xcom_seq=self.xcom_seq,
        )

    def has_arrived(self, ack: OutcomeAck) -> bool:
        """Nothing is left to send."""
        stands, log, points = self.stands(ack), self.outcome.log, self.outcome.metrics
        if ack.verdict is OutcomeVerdict.REFUSED or log is None:
            return False
        return stands.log_offset >= log.size and (not points or stands.metric_seq >= points[-1].seq)


def write_letters(ended: Iterable[AttemptDirectory]) -> list[Letter]:
    """Read ended attempts; those that are no letters are missing from what is returned."""
    letters: list[Letter] = []
    for directory in ended:
        try:
            letter = _written(directory)
        except (OSError, ValueError):  # A damaged file, a disk that refuses: its own attendance deals with that.
            continue
        if letter is not None:
            letters.append(letter)
    return letters


def file_answers(answered: Iterable[tuple[Letter, OutcomeAck]], *, keeps: bool) -> set[str]:
    """Remove what has arrived, and record the rest's progress; return the attempts that are done with.

    What arrives is not recorded before it is removed: after a crash in between it is sent again, and the API knows it.
    """
    done: set[str] = set()
    for letter, ack in answered:
        arrived = letter.has_arrived(ack)
        try:
            if arrived and not keeps:
                letter.directory.remove()
            else:
                write_delivered(letter.directory.path, letter.stands(ack))
        except OSError as error:
            logger.warning("answer not filed", extra={"attempt": letter.directory.attempt, "error": str(error)})
            continue
        if arrived or ack.verdict is OutcomeVerdict.REFUSED:
            done.add(letter.directory.attempt)
    return done


def _written(directory: AttemptDirectory) -> Letter | None:
    ending, delivered = directory.ending(), read_delivered(directory.path)
    if ending is None or delivered.outcome is not None:
        return None
    produced = Produced(directory.path)
    xcoms = produced.xcoms()
    split = split_xcoms(xcoms.newest)
    small = sum(xcom.size for xcom in split.small)
    if split.first or small + produced.log_size() + produced.state_size() > LETTER_BYTES:
        return None
    try:
        outcome = pack(directory.attempt, ending, produced, delivered, split.small)
    except ValidationError:
        return None
    if len(outcome.metrics) >= METRIC_POINTS or weight(outcome) > 2 * LETTER_BYTES:
        return None
    return Letter(directory=directory, outcome=outcome, xcom_seq=xcoms.last_seq, sent_before=delivered)
