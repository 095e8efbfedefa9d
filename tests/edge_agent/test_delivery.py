"""Delivery: whatever breaks between any two steps, every byte arrives exactly once and in order."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leasehold_agent.attempts.directory import AttemptDirectory
from leasehold_agent.delivery import courier as courier_module
from leasehold_agent.delivery.courier import Courier, is_covered
from leasehold_agent.delivery.delivered import read_delivered
from leasehold_agent.errors import LeaseLostError, RefusedError, Trouble, UnavailableError
from leasehold_agent.pieces import Piece
from leasehold_protocol.v1.context import UploadAnswer, UploadPart, UploadRequest, XComWrite
from leasehold_protocol.v1.leases import Ending, EndingKind, Outcome, OutcomeAck, OutcomeVerdict
from leasehold_protocol.v1.telemetry import LogAnswer, MetricAnswer, MetricPoint

AT = datetime(2026, 11, 22, tzinfo=UTC)
SUCCESS = Ending(kind=EndingKind.SUCCESS, ended_at=AT)


UPLOAD_PART = 100_000


class PowerCutError(Exception):
    """The agent dies here."""


class Fate:
    """Says of each step what happens to it: goes well, request lost, answer lost, or the power goes."""

    def __init__(self, plan: list[str]) -> None:
        self._plan = plan

    def before(self) -> str:
        event = self._plan.pop(0) if self._plan else "well"
        if event == "request lost":
            raise UnavailableError(Trouble.TIMEOUT)
        if event == "cut before":
            raise PowerCutError
        return event

    def after(self, event: str) -> None:
        if event == "answer lost":
            raise UnavailableError(Trouble.TIMEOUT)
        if event == "cut after":
            raise PowerCutError


class Receiver:
    """The API's half: appends only at its offset, takes each sequence number once, records one outcome."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self.log_bytes = b""
        self.log_complete = False
        self.damages = 0
        """How many times the whole log arrives with its last byte wrong."""
        self.points: list[MetricPoint] = []
        self.xcoms: dict[str, object] = {}
        self.uploads: dict[str, bytes] = {}
        self.parts: dict[str, bytearray] = {}
        self.recorded: list[Outcome] = []
        self.xcoms_when_recorded: dict[str, object] = {}
        self.refuses: dict[str, Exception] = {}

    def _append(self, offset: int, data: bytes, whole: tuple[int, str | None] | None) -> LogAnswer:
        if offset > len(self.log_bytes):
            raise RefusedError(409, "offset_mismatch", offset=len(self.log_bytes))
        self.log_bytes += data[len(self.log_bytes) - offset :]
        if whole is not None and whole[0] == len(self.log_bytes):
            if self.damages:
                self.damages -= 1
                self.log_bytes = self.log_bytes[:-1] + b"?"
            if hashlib.sha256(self.log_bytes).hexdigest() != whole[1]:
                self.log_bytes = b""
                return LogAnswer(offset=0)
            self.log_complete = True
        return LogAnswer(offset=len(self.log_bytes), complete=self.log_complete)

    def _take_points(self, points: list[MetricPoint]) -> int:
        known = {point.seq for point in self.points}
        self.points += [point for point in points if point.seq not in known]
        return max((point.seq for point in self.points), default=0)

    async def log(self, attempt: str, *, offset: int, data: bytes, whole: tuple[int, str] | None = None) -> LogAnswer:
        event = self._fate.before()
        if error := self.refuses.get("log"):
            raise error
        answer = self._append(offset, data, whole)
        self._fate.after(event)
        return answer

    async def metrics(self, attempt: str, points: list[MetricPoint]) -> MetricAnswer:
        event = self._fate.before()
        seq = self._take_points(points)
        self._fate.after(event)
        return MetricAnswer(seq=seq)

    async def xcom(self, attempt: str, key: str, write: XComWrite) -> None:
        event = self._fate.before()
        if error := self.refuses.get("xcom"):
            raise error
        self.xcoms[key] = json.loads(self.uploads[write.upload]) if write.upload else write.value
        self._fate.after(event)

    async def begin_upload(self, attempt: str, request: UploadRequest) -> UploadAnswer:
        if request.sha256 in self.uploads:
            return UploadAnswer()
        offset = len(self.parts.setdefault(request.sha256, bytearray()))
        return UploadAnswer(url=request.sha256, offset=offset, part_bytes=UPLOAD_PART)

    async def upload_part(self, url: str, piece: Piece, *, whole: int) -> UploadPart:
        event = self._fate.before()
        part = self.parts[url]
        assert piece.start == len(part), "it goes on from where the API stands"
        part += b"".join([data async for data in piece.read()])
        if complete := len(part) == whole:
            assert hashlib.sha256(part).hexdigest() == url
            self.uploads[url] = bytes(part)
        self._fate.after(event)
        return UploadPart(offset=len(part), complete=complete)

    async def upload_whole(self, url: str, piece: Piece) -> None:
        raise AssertionError("this API takes parts")

    async def outcome(self, outcome: Outcome) -> OutcomeAck:
        event = self._fate.before()
        verdict = OutcomeVerdict.DUPLICATE if self.recorded else OutcomeVerdict.RECORDED
        if not self.recorded:
            self.recorded.append(outcome)
            self.xcoms.update({xcom.key: xcom.value for xcom in outcome.xcoms})
            self.xcoms_when_recorded = dict(self.xcoms)
        seq = self._take_points(outcome.metrics)
        if outcome.log is not None:
            with contextlib.suppress(RefusedError):
                self._append(outcome.log.offset, outcome.log.data, (outcome.log.size, outcome.log.sha256))
        self._fate.after(event)
        return OutcomeAck(attempt=outcome.attempt, verdict=verdict, log_offset=len(self.log_bytes), metric_seq=seq)


def make_attempt(
    root: Path, *, log: bytes = b"", metrics: int = 0, xcoms: dict[str, object] | None = None
) -> AttemptDirectory:
    """Write a directory as an attempt host leaves it."""
    path = root / "ti-1.1"
    (path / "xcoms").mkdir(parents=True)
    (path / "output.log").write_bytes(log)
    points = [MetricPoint(seq=n, at=AT, name="rows", kind="gauge", value=n) for n in range(1, metrics + 1)]
    (path / "metrics.ndjson").write_text("".join(point.model_dump_json() + "\n" for point in points))
    lines = []
    for seq, (key, value) in enumerate((xcoms or {}).items(), 1):
        text = json.dumps(value).encode()
        (path / "xcoms" / f"{seq}.json").write_bytes(text)
        digest = hashlib.sha256(text).hexdigest()
        lines.append(json.dumps({"seq": seq, "key": key, "file": f"{seq}.json", "size": len(text), "sha256": digest}))
    (path / "xcoms" / "index.ndjson").write_text("".join(line + "\n" for line in lines))
    directory = AttemptDirectory(path)
    directory.write_ending(SUCCESS)
    return directory


async def deliver_once(directory: AttemptDirectory, api: Receiver, *, streamed_first: int) -> None:
    """One life of an agent: it begins with what is on the disk, and ends well or by a cut."""
    courier = Courier(directory, api)
    if courier.delivered.outcome is None:
        while await courier.send_log(streamed_first):
            pass
        outcome = await courier.pack(SUCCESS)
        courier.acknowledge(await api.outcome(outcome), outcome)
    while await courier.send_rest():
        pass


def deliver_through(directory: AttemptDirectory, api: Receiver, *, streamed_first: int = 0) -> None:
    for _ in range(200):
        try:
            asyncio.run(deliver_once(directory, api, streamed_first=streamed_first))
        except (UnavailableError, PowerCutError):
            continue
        return
    raise AssertionError("delivery does not come to an end")


EVENTS = st.sampled_from(["well", "request lost", "answer lost", "cut before", "cut after"])


@settings(max_examples=60, deadline=None)
@given(
    log=st.binary(max_size=400),
    metrics=st.integers(0, 25),
    sizes=st.lists(st.sampled_from([1, 30, 90, 200]), max_size=4),
    streamed=st.integers(0, 400),
    plan=st.lists(EVENTS, max_size=25),
)
def test_every_byte_arrives_once_and_in_order_whatever_is_lost_or_cut_off(
    log: bytes, metrics: int, sizes: list[int], streamed: int, plan: list[str]
) -> None:
    xcoms: dict[str, object] = {f"key-{n}": "x" * size for n, size in enumerate(sizes)}
    api = Receiver(Fate(plan))
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as small:
        # The limits, made so small that every path is walked with a few bytes.
        small.setattr(courier_module, "LOG_CHUNK_BYTES", 64)
        small.setattr(courier_module, "METRICS_PER_REQUEST", 4)
        small.setattr(courier_module, "XCOM_INLINE_BYTES", 100)
        small.setattr("leasehold_agent.delivery.parcel.LOG_TAIL_BYTES", 100)
        small.setattr("leasehold_agent.delivery.parcel.METRIC_POINTS", 5)
        small.setattr("leasehold_agent.delivery.parcel.XCOM_INLINE_BYTES", 100)
        directory = make_attempt(Path(root), log=log, metrics=metrics, xcoms=xcoms)

        deliver_through(directory, api, streamed_first=streamed)

        assert is_covered(directory)
    assert api.log_bytes == log
    assert api.log_complete
    assert [point.seq for point in api.points] == list(range(1, metrics + 1))
    assert len(api.recorded) == 1
    assert api.xcoms_when_recorded == xcoms, "results are there before the outcome takes effect"


def test_a_log_that_is_there_already_is_known_to_be_whole(tmp_path: Path) -> None:
    """As when all of it was sent while the task ran, and a full disk kept the agent from recording that."""
    log = b"x" * 3_000_000
    directory = make_attempt(tmp_path, log=log)
    api = Receiver(Fate([]))
    api.log_bytes = log

    deliver_through(directory, api)

    assert api.log_complete


def test_a_short_tasks_everything_travels_in_one_request(tmp_path: Path) -> None:
    directory = make_attempt(tmp_path, log=b"x" * 60_000, metrics=500, xcoms={"return_value": [1, 2]})
    api = Receiver(Fate(["well", "cut before"]))

    deliver_through(directory, api)

    assert api.log_complete
    assert len(api.points) == 500
    assert api.xcoms == {"return_value": [1, 2]}
    assert read_delivered(directory.path).outcome is OutcomeVerdict.RECORDED


def test_a_log_that_arrived_damaged_is_sent_again_from_the_start(tmp_path: Path) -> None:
    directory = make_attempt(tmp_path, log=b"0123456789")
    api = Receiver(Fate([]))
    api.log_bytes = b"01234"
    courier = Courier(directory, api)
    asyncio.run(courier.send_log(0))
    api.log_bytes = b"xxxxx"  # what a broken disk at the API could leave

    deliver_through(directory, api)

    assert api.log_bytes == b"0123456789"
    assert api.log_complete


def test_a_log_that_never_arrives_whole_is_kept_until_it_does(tmp_path: Path) -> None:
    directory = make_attempt(tmp_path, log=b"0123456789" * 10_000)
    api = Receiver(Fate([]))
    api.damages = 7  # more often than it is sent again at once

    deliver_through(directory, api)

    assert api.log_complete
    assert api.log_bytes == b"0123456789" * 10_000


def test_a_success_whose_result_is_refused_is_no_success(tmp_path: Path) -> None:
    directory = make_attempt(tmp_path, xcoms={"return_value": "x" * 300_000})
    api = Receiver(Fate([]))
    api.refuses["xcom"] = RefusedError(413, "body_too_large", "over the limit of this site")

    deliver_through(directory, api)

    (outcome,) = api.recorded
    assert outcome.ending.kind is EndingKind.FAILED
    assert outcome.ending.message is not None
    assert "over the limit" in outcome.ending.message


def test_the_rest_of_a_log_that_nobody_wants_does_not_keep_the_directory(tmp_path: Path) -> None:
    directory = make_attempt(tmp_path, log=b"x" * 100_000)
    api = Receiver(Fate([]))
    api.refuses["log"] = LeaseLostError("a newer epoch exists")

    deliver_through(directory, api)

    assert is_covered(directory)


def test_half_a_line_at_the_end_is_not_there(tmp_path: Path) -> None:
    directory = make_attempt(tmp_path, metrics=2, xcoms={"a": 1})
    with (directory.path / "metrics.ndjson").open("a") as file:
        file.write('{"seq": 3, "at":')
    with (directory.path / "xcoms" / "index.ndjson").open("a") as file:
        file.write('{"seq": 2, "key": "a", "file": "2.js')
    api = Receiver(Fate([]))

    deliver_through(directory, api)

    assert [point.seq for point in api.points] == [1, 2]
    assert api.xcoms == {"a": 1}


def test_a_refused_outcome_keeps_its_directory_for_a_person(tmp_path: Path) -> None:
    directory = make_attempt(tmp_path, log=b"x")
    courier = Courier(directory, Receiver(Fate([])))

    outcome = asyncio.run(courier.pack(SUCCESS))
    courier.acknowledge(OutcomeAck(attempt="ti-1.1", verdict=OutcomeVerdict.REFUSED, reason="no such run"), outcome)

    assert read_delivered(directory.path).is_refused
    assert not is_covered(directory)
