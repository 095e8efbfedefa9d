"""Letters: ended attempts that travel whole, many at a time. Nothing of one goes before the API has all of it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leasehold_agent.attempts.directory import AttemptDirectory
from leasehold_agent.delivery.delivered import Delivered, read_delivered, write_delivered
from leasehold_agent.delivery.letters import LETTER_BYTES, Letter, file_answers, write_letters
from leasehold_protocol.v1.leases import Ending, EndingKind, OutcomeAck, OutcomeVerdict

ENDED_AT = datetime(2026, 11, 22, tzinfo=UTC)


def ended(root: Path, name: str = "ti-1.1", *, log: bytes = b"a line\n", points: int = 2) -> AttemptDirectory:
    """Write what a host leaves of an attempt."""
    path = root / name
    (path / "xcoms").mkdir(parents=True)
    (path / "output.log").write_bytes(log)
    at = ENDED_AT.isoformat()
    lines = [{"seq": seq, "at": at, "name": "rows", "kind": "gauge", "value": seq} for seq in range(1, points + 1)]
    (path / "metrics.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    facts = {"log_size": len(log), "log_sha256": hashlib.sha256(log).hexdigest(), "metric_seq": points, "xcom_seq": 0}
    ending = Ending(kind=EndingKind.SUCCESS, ended_at=ENDED_AT).model_dump(mode="json", exclude_none=True)
    (path / "ending.json").write_text(json.dumps(ending | facts))
    return AttemptDirectory(path)


def letter(directory: AttemptDirectory) -> Letter:
    [written] = write_letters([directory])
    return written


def ack(
    verdict: OutcomeVerdict = OutcomeVerdict.RECORDED, *, log: int | None = 7, metric: int | None = 2
) -> OutcomeAck:
    return OutcomeAck(attempt="ti-1.1", verdict=verdict, log_offset=log, metric_seq=metric)


def test_an_attempt_that_arrived_whole_is_removed(tmp_path: Path) -> None:
    directory = ended(tmp_path)

    done = file_answers([(letter(directory), ack())], keeps=False)

    assert done == {"ti-1.1"}
    assert list(tmp_path.iterdir()) == []


def test_an_attempt_that_arrived_stays_where_directories_are_kept(tmp_path: Path) -> None:
    directory = ended(tmp_path)

    done = file_answers([(letter(directory), ack())], keeps=True)

    assert done == {"ti-1.1"}
    assert read_delivered(directory.path).outcome is OutcomeVerdict.RECORDED


@pytest.mark.parametrize(
    "short", [ack(log=3), ack(log=None), ack(metric=1), ack(OutcomeVerdict.STALE, metric=None)], ids=str
)
def test_what_the_api_has_only_in_part_stays_with_how_far_it_is(tmp_path: Path, short: OutcomeAck) -> None:
    directory = ended(tmp_path)

    done = file_answers([(letter(directory), short)], keeps=False)

    assert done == set()
    stands = read_delivered(directory.path)
    assert stands.outcome is short.verdict
    assert (stands.log_offset, stands.metric_seq) == (short.log_offset or 0, short.metric_seq or 0)


def test_a_refused_attempt_stays_for_a_person(tmp_path: Path) -> None:
    directory = ended(tmp_path)

    done = file_answers([(letter(directory), ack(OutcomeVerdict.REFUSED))], keeps=False)

    assert done == {"ti-1.1"}
    assert read_delivered(directory.path).is_refused


def test_a_letter_goes_on_where_the_stream_ended(tmp_path: Path) -> None:
    directory = ended(tmp_path)
    write_delivered(directory.path, Delivered(log_offset=2, metric_seq=1))

    outcome = letter(directory).outcome

    assert outcome.log is not None
    assert (outcome.log.offset, outcome.log.data) == (2, b"line\n")
    assert [point.seq for point in outcome.metrics] == [2]


def test_what_is_long_damaged_or_recorded_already_is_no_letter(tmp_path: Path) -> None:
    long = ended(tmp_path, "ti-1.1", log=b"x" * (LETTER_BYTES + 1))
    many = ended(tmp_path, "ti-2.1", points=600)
    damaged = ended(tmp_path, "ti-3.1")
    (damaged.path / "ending.json").write_text("{")
    recorded = ended(tmp_path, "ti-4.1")
    write_delivered(recorded.path, Delivered(outcome=OutcomeVerdict.RECORDED))
    good = ended(tmp_path, "ti-5.1")

    letters = write_letters([long, many, damaged, recorded, good])

    assert [one.directory.attempt for one in letters] == ["ti-5.1"]
