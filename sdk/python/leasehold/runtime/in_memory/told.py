"""What a task has told its host in memory: log, metrics, signs of life, values, how it ends."""

from __future__ import annotations

from dataclasses import dataclass, field

from leasehold.runtime.rules.endings import Said
from leasehold.runtime.rules.masking import Secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One record of a task's log.

    Attributes:
        level: ``debug``, ``info``, ``warning``, ``error``, ``critical``; ``stdout`` or ``stderr`` of what was printed.
        message: The text, secrets masked.
        fields: The facts beside it.
        at: When, RFC 3339.
    """

    level: str
    message: str
    fields: dict[str, object] = field(default_factory=dict[str, object])
    at: str = ""

    def __str__(self) -> str:
        facts = "".join(f" {name}={value!r}" for name, value in self.fields.items())
        return f"{self.level.upper()} {self.message}{facts}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One measurement.

    Attributes:
        name: What was measured.
        kind: ``counter``, ``gauge`` or ``timing`` (seconds).
        value: How much.
        tags: Of what.
        at: When, RFC 3339.
    """

    name: str
    kind: str
    value: float
    tags: dict[str, str] = field(default_factory=dict[str, str])
    at: str = field(default="", compare=False)


@dataclass(slots=True, kw_only=True)
class Told:
    """All that one try of a task has told."""

    log: list[LogRecord] = field(default_factory=list[LogRecord])
    metrics: list[Metric] = field(default_factory=list[Metric])
    xcoms: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Key → the last value's JSON text."""
    progress: float | None = None
    note: str | None = None
    label: str | None = None
    skip: tuple[str, ...] = ()
    """Tasks that are skipped if this one succeeds."""
    said: Said | None = None
    secrets: Secrets = field(default_factory=Secrets, repr=False)
