"""What is known afterwards: the API's books, what the tasks themselves wrote down, what is left at the sites."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.system.place import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one attempt's user code wrote down."""

    began: float
    """On CLOCK_BOOTTIME."""
    last_seen: float
    """Its last line: user code ran until here at least."""
    has_ended: bool
    children: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt, by the API's books."""

    attempt: str
    ending: str | None
    message: str | None
    log: list[str]
    """The task's own lines."""
    metrics: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One task instance, by the API's books."""

    instance: str
    task: str
    state: str
    reason: str | None
    result: Any
    attempts: list[Attempt]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything the checker looks at."""

    instances: list[Instance]
    records: dict[str, Record]
    """By attempt."""
    living: list[int] = field(default_factory=list)
    """Processes that should be gone."""
    directories: list[str] = field(default_factory=list)
    """Attempt directories that should be gone."""


def read_record(text: str) -> Record | None:
    """Return what a task wrote down; none when it had no time to write a line."""
    lines = [line.split() for line in text.splitlines()]
    times = [float(line[1]) for line in lines]
    if not times:
        return None
    return Record(
        began=times[0],
        last_seen=max(times),
        has_ended=any(line[0] == "end" for line in lines),
        children=[int(line[2]) for line in lines if line[0] == "child"],
    )


def gather(place: Place, runs: list[str], records: Path) -> History:
    """Collect it; everything must be at rest."""
    found = {path.name: read_record(path.read_text()) for path in records.iterdir()}
    known = {name: record for name, record in found.items() if record is not None}
    children = [pid for record in known.values() for pid in record.children]
    return History(
        instances=[instance for run in runs for instance in _instances(place, run)],
        records=known,
        living=[pid for pid in children if Path(f"/proc/{pid}").exists()],
        directories=[str(path) for path in place.home.glob("*/attempts/*")],
    )


def _instances(place: Place, run: str) -> list[Instance]:
    metrics: dict[str, float] = {}
    for metric in place.get(f"runs/{run}/metrics")["items"]:
        metrics[metric["attempt"]] = metrics.get(metric["attempt"], 0.0) + float(metric["total"])
    return [
        Instance(
            instance=task["task_instance"],
            task=task["task"],
            state=task["state"],
            reason=task.get("reason"),
            result=task.get("result"),
            attempts=[
                Attempt(
                    attempt=attempt["attempt"],
                    ending=attempt["ending"],
                    message=attempt.get("message"),
                    log=_own_lines(place.log_of(attempt["attempt"])),
                    metrics=metrics.get(attempt["attempt"], 0.0),
                )
                for attempt in task["attempts"]
            ],
        )
        for task in place.get(f"runs/{run}")["tasks"]
    ]


def _own_lines(log: bytes) -> list[str]:
    return [text for line in log.decode().splitlines() if (text := line.partition(" stdout ")[2])]
