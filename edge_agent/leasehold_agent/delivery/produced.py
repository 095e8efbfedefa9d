"""What an attempt has produced so far, read from its directory and from nowhere else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from leasehold_protocol.v1.context import FileRef
from leasehold_protocol.v1.leases import Rendered
from leasehold_protocol.v1.message import Json
from leasehold_protocol.v1.telemetry import MetricPoint
from leasehold_protocol.v1.waiting import StateChange

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredXCom:
    """The newest write of one XCom key."""

    key: str
    path: Path
    size: int
    """Of its JSON text, in bytes."""
    sha256: str
    files: list[FileRef] = field(default_factory=list[FileRef])
    """Those that it names."""
    length: int | None = None
    """How many items its list or dictionary has."""

    def text(self) -> bytes:
        """Return the JSON text."""
        return self.path.read_bytes()

    def value(self) -> Json:
        """Return the value."""
        return json.loads(self.text())


@dataclass(frozen=True, slots=True, kw_only=True)
class XComs:
    """All XComs of an attempt."""

    newest: list[StoredXCom]
    """One per key; earlier writes have no effect."""
    last_seq: int


class Produced:
    """Reads one attempt directory. Half a line at the end of a file is not there yet, or never will be."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._metrics_at = (0, 0)
        """(sequence number, file position) up to which metrics were read: the next read goes on from there."""

    def log_size(self) -> int:
        """Return the log's length in bytes."""
        try:
            return (self._directory / "output.log").stat().st_size
        except FileNotFoundError:
            return 0

    def log_part(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` bytes of the log from ``offset``."""
        try:
            with (self._directory / "output.log").open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except FileNotFoundError:
            return b""

    def log_sha256(self, *, trust_ending: bool = True) -> str:
        """Return the whole log's SHA-256: the host's, from ``ending.json``, or computed from the file."""
        if trust_ending:
            ending = self._ending()
            if isinstance(known := ending.get("log_sha256"), str) and ending.get("log_size") == self.log_size():
                return known
        digest, offset = hashlib.sha256(), 0
        while part := self.log_part(offset, _CHUNK):
            digest.update(part)
            offset += len(part)
        return digest.hexdigest()

    def metrics_after(self, seq: int, limit: int) -> list[MetricPoint]:
        """Return up to ``limit`` points with higher sequence numbers than ``seq``."""
        at_seq, position = self._metrics_at if self._metrics_at[0] <= seq else (0, 0)
        points: list[MetricPoint] = []
        try:
            with (self._directory / "metrics.ndjson").open("rb") as file:
                file.seek(position)
                while len(points) < limit and (line := file.readline()).endswith(b"\n"):
                    position += len(line)
                    point = _point(line)
                    if point is None:
                        continue
                    if point.seq > seq:
                        points.append(point)
                    else:
                        at_seq = point.seq
                        self._metrics_at = (at_seq, position)
        except FileNotFoundError:
            return []
        return points

    def xcoms(self) -> XComs:
        """Return the XComs; a line whose file is missing or damaged (a power cut) does not count."""
        newest: dict[str, StoredXCom] = {}
        last_seq = 0
        try:
            lines = (self._directory / "xcoms" / "index.ndjson").read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return XComs(newest=[], last_seq=0)
        for line in lines:
            try:
                entry = json.loads(line)
                last_seq = max(last_seq, int(entry["seq"]))
                if entry.get("deleted"):
                    newest.pop(entry["key"], None)
                    continue
                path = self._directory / "xcoms" / Path(entry["file"]).name
                stored = StoredXCom(
                    key=entry["key"],
                    path=path,
                    size=int(entry["size"]),
                    sha256=entry["sha256"],
                    files=[FileRef.model_validate(file) for file in entry.get("files", ())],
                    length=entry.get("length"),
                )
            except (ValueError, KeyError, TypeError):
                continue
            if path.is_file() and path.stat().st_size == stored.size:
                newest[stored.key] = stored
        return XComs(newest=list(newest.values()), last_seq=last_seq)

    def rendered(self) -> Rendered | None:
        """Return what people are shown of the task's arguments; none when there is nothing, or it is damaged."""
        try:
            return Rendered.model_validate_json((self._directory / "rendered.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def state_size(self) -> int:
        """Return how long the record of writes to the task's state is, in bytes."""
        try:
            return (self._directory / "state.ndjson").stat().st_size
        except FileNotFoundError:
            return 0

    def state_after(self, seq: int, upto: int | None = None) -> list[tuple[int, StateChange]]:
        """Return the writes to the task's state with higher numbers than ``seq``, each with its number.

        Of the writes to one key only the last is returned, and nothing from before everything was forgotten.
        """
        try:
            lines = (self._directory / "state.ndjson").read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        newest: dict[str | None, tuple[int, StateChange]] = {}
        for line in lines:
            number, change = _state_change(line)
            if number <= seq or (upto is not None and number > upto):
                continue
            if change.key is None:
                newest = {}
            newest.pop(change.key, None)
            newest[change.key] = (number, change)
        return list(newest.values())

    def file(self, sha256: str) -> Path | None:
        """Return a file that the task pushed; none when it was not this attempt that did."""
        path = self._directory / "files" / sha256
        return path if path.is_file() else None

    def _ending(self) -> dict[str, object]:
        try:
            ending = json.loads((self._directory / "ending.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return ending if isinstance(ending, dict) else {}


def _state_change(line: bytes) -> tuple[int, StateChange]:
    """Return a write with its number; 0, which is no number, for a line that a power cut damaged."""
    try:
        entry = json.loads(line)
        written_at = datetime.fromisoformat(entry["at"])
        age_s = min(max(0.0, (datetime.now(UTC) - written_at).total_seconds()), 366 * 86400)
        return int(entry["seq"]), StateChange.model_validate({**entry, "age_s": age_s})
    except (ValueError, KeyError, TypeError):
        return 0, StateChange()


def _point(line: bytes) -> MetricPoint | None:
    try:
        return MetricPoint.model_validate_json(line)
    except ValidationError:
        return None
