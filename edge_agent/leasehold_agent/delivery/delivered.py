"""``delivered.json``: what the API has acknowledged of one attempt."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from leasehold_agent.durable import write_atomically
from leasehold_protocol.v1.leases import OutcomeVerdict

_FILE = "delivered.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """How far delivery is. Less than the truth is safe (the API knows duplicates), more would lose something."""

    log_offset: int = 0
    metric_seq: int = 0
    xcom_seq: int = 0
    state_seq: int = 0
    outcome: OutcomeVerdict | None = None
    rest_refused: bool = False
    """The API has the outcome and will not take the rest of the log and metrics (a newer epoch, a run that is gone)."""

    @property
    def is_refused(self) -> bool:
        """The API can never record it; the directory stays for a person to look at."""
        return self.outcome is OutcomeVerdict.REFUSED


def read_delivered(directory: Path) -> Delivered:
    """Return what is recorded; nothing, when the record is missing or damaged: then all is sent again."""
    try:
        document = json.loads((directory / _FILE).read_bytes())
        verdict = document.get("outcome")
        return Delivered(
            log_offset=int(document["log_offset"]),
            metric_seq=int(document["metric_seq"]),
            xcom_seq=int(document["xcom_seq"]),
            state_seq=int(document.get("state_seq", 0)),
            outcome=OutcomeVerdict(verdict) if verdict else None,
            rest_refused=bool(document.get("rest_refused")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Delivered()


def write_delivered(directory: Path, delivered: Delivered) -> None:
    """Record how far delivery is."""
    document = {name: value for name, value in asdict(delivered).items() if value is not None and value is not False}
    write_atomically(directory / _FILE, json.dumps(document).encode())
