"""What is known of the last new version that was tried: a small file in the state directory, for all who take part.

Three processes write it, never two at once about one trial: the old version before it gives way, the new one when it
is ready or gives up, and the guard when the new one can do neither.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal, Self

from leasehold_agent.durable import write_durably

State = Literal["trying", "ready", "failed"]
_NAME = "update-trial.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A new version taking over from an old one."""

    version: str
    back_version: str
    back: str
    """The old version's program."""
    prefix: str
    pid: int
    """The process that is to become ready: the same before and after."""
    ready_s: float
    """How long it may take."""
    began: float
    """Seconds since 1970."""
    state: State = "trying"
    why: str | None = None
    """Why it failed; or, when it is ready, why ``current`` does not lead to it yet."""

    def given_up(self, why: str) -> Self:
        """Return this trial as one that failed."""
        return replace(self, state="failed", why=why)

    def proven(self, *, why_not_current: str | None) -> Self:
        """Return this trial as one that succeeded."""
        return replace(self, state="ready", why=why_not_current)


class TrialFile:
    """The record of the last trial."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, state_dir: Path) -> TrialFile:
        """Return the one in a state directory."""
        return cls(state_dir / _NAME)

    def read(self) -> Trial | None:
        """Return the last trial; none when there was none, or what is there can't be understood."""
        try:
            facts = json.loads(self.path.read_bytes())
            return Trial(**{field.name: facts[field.name] for field in fields(Trial)})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, trial: Trial) -> None:
        """Replace the record.

        Raises:
            OSError: the disk does not take it; the one before stays.
        """
        write_durably(self.path, json.dumps(asdict(trial)).encode())
