"""The lines of a task's log: bytes become lines, lines become facts (see ``leasehold_protocol.v1.telemetry``)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime

from leasehold_protocol.v1.message import Json
from leasehold_protocol.v1.telemetry import FIELDS_SEPARATOR, LOG_SOURCES

LONGEST_TEXT = 64 * 1024
"""Parts of one printed line are joined up to this many characters; a longer line is shown in pieces."""

_HEAD = re.compile(rf"(\S+) ({'|'.join(LOG_SOURCES)})(\+?) ?(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.?)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a log."""

    at: datetime | None
    source: str
    text: str
    fields: dict[str, Json] = field(default_factory=dict[str, Json])
    goes_on: bool = False
    """The next line of this source is a part of this one."""


def parse_line(raw: bytes) -> LogLine:
    """Return what a line says. One that does not follow the grammar is shown as it is, never dropped."""
    text = raw.decode("utf-8", errors="replace")
    if (head := _HEAD.fullmatch(text)) is None or (at := _instant(head[1])) is None:
        return LogLine(at=None, source="stdout", text=text)
    said, fields = _fields(head[4])
    return LogLine(at=at, source=head[2], text=said, fields=fields, goes_on=head[3] == "+")


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def _fields(text: str) -> tuple[str, dict[str, Json]]:
    said, separator, tail = text.rpartition(FIELDS_SEPARATOR)
    if not separator:
        return text, {}
    try:
        fields = json.loads(tail)
    except ValueError:
        return text, {}
    return (said, fields) if isinstance(fields, dict) else (text, {})


class LineReader:
    """Puts a log together again from parts cut anywhere: whole lines out, the rest kept for the next part."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun: dict[str, LogLine] = {}

    def feed(self, data: bytes) -> list[LogLine]:
        """Return the lines that are whole now."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line for raw in whole if (line := self._joined(parse_line(raw))) is not None]

    def finish(self) -> list[LogLine]:
        """Return what is left at the end of the log, though no line end came."""
        last = [parse_line(self._rest)] if self._rest else []
        lines = [line for part in last if (line := self._joined(replace(part, goes_on=False))) is not None]
        begun = [replace(line, goes_on=False) for line in self._begun.values()]
        self._rest, self._begun = b"", {}
        return begun + lines

    def _joined(self, line: LogLine) -> LogLine | None:
        if (begun := self._begun.pop(line.source, None)) is not None:
            line = replace(begun, text=begun.text + line.text, fields=line.fields, goes_on=line.goes_on)
        if line.goes_on and len(line.text) < LONGEST_TEXT:
            self._begun[line.source] = line
            return None
        return line


def harmless(text: str) -> str:
    """Return text that cannot move the cursor, ring, or write into a terminal's title or clipboard."""
    return _CONTROL.sub("�", _ESCAPE.sub("", text))


def show_fields(fields: dict[str, Json]) -> str:
    """Return fields as ``key=value``, values with white space as JSON."""
    return " ".join(f"{key}={_show_value(value)}" for key, value in fields.items())


def _show_value(value: Json) -> str:
    if isinstance(value, str) and value and not re.search(r"[\s\"=]", value):
        return value
    return json.dumps(value, ensure_ascii=False)
