"""What the task tells while it runs: signs of life, metrics, log records, and what to mask."""

from __future__ import annotations

from dataclasses import dataclass

from leasehold_agent.host import checks
from leasehold_agent.host.checks import Object
from leasehold_agent.host.http_wire import Answer, Request
from leasehold_agent.host.lines import record
from leasehold_agent.host.masking import Secrets, SecretTooShortError
from leasehold_agent.host.spool import Spool
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.notes import Notes

LEVELS = ("debug", "info", "warning", "error", "critical")
METRIC_KINDS = ("counter", "gauge", "timing")
_MOST_AT_ONCE = 5000
_LONGEST_TAG = 256
_LONGEST_NOTE = 500
LONGEST_LABEL = 250


@dataclass(frozen=True, slots=True)
class TellingCalls:
    """All of it ends in the attempt directory, masked."""

    spool: Spool
    secrets: Secrets
    notes: Notes

    def calls(self) -> Calls:
        """Return the paths of this room."""
        return {
            "/v1/heartbeat": {"POST": self._heartbeat},
            "/v1/label": {"POST": self._label},
            "/v1/metrics": {"POST": self._metrics},
            "/v1/log": {"POST": self._log},
            "/v1/mask": {"POST": self._mask},
        }

    async def _heartbeat(self, _: str, request: Request) -> Answer:
        progress, note = heartbeat(request.body)
        self.notes.heartbeat(progress, None if note is None else self.secrets.mask(note))
        return Answer()

    async def _label(self, _: str, request: Request) -> Answer:
        self.notes.label(self.secrets.mask(label(request.body))[:LONGEST_LABEL])
        return Answer()

    async def _metrics(self, _: str, request: Request) -> Answer:
        points = [metric(value) for value in _one_or_more(request.body)]
        for point in points:
            point["tags"] = self.secrets.mask_json(point["tags"])
        self.spool.metrics.append(points)
        self.spool.touch()
        return Answer()

    async def _log(self, _: str, request: Request) -> Answer:
        lines = b"".join(self._record(value) for value in _one_or_more(request.body))
        self.notes.drain()
        self.spool.log.append(lines)
        self.spool.touch()
        return Answer()

    def _record(self, value: object) -> bytes:
        at, level, message, fields = log_record(value)
        shown = checks.json_text(self.secrets.mask_json(fields)) if fields else b""
        return record(at, level, self.secrets.mask(message), shown)

    async def _mask(self, _: str, request: Request) -> Answer:
        value = checks.json_object(request.body).get("value")
        if not isinstance(value, str):
            raise checks.invalid('the body must be {"value": "…"}')
        try:
            self.secrets.add(value)
        except (SecretTooShortError, UnicodeEncodeError) as problem:
            raise checks.invalid(str(problem)) from None
        return Answer()


def _one_or_more(body: bytes) -> list[object]:
    value = checks.json_value(body)
    if not isinstance(value, list):
        return [value]
    if len(value) > _MOST_AT_ONCE:
        raise checks.invalid(f"more than {_MOST_AT_ONCE} at once: send them in several requests")
    return list[object](value)


def metric(value: object) -> Object:
    """Return one ``MetricWrite`` with its time, ready to be numbered.

    Raises:
        RefusedRequestError: 422, if it is none.
    """
    fields = checks.as_object(value, "a metric")
    name, kind, number = fields.get("name"), fields.get("kind"), fields.get("value")
    if not isinstance(name, str) or not checks.NAME.fullmatch(name):
        raise checks.invalid(
            f"a metric's name must be letters, digits and _ . - (at most 128), not {checks.shown(name)}"
        )
    if kind not in METRIC_KINDS:
        raise checks.invalid(f"metric {name}: kind must be one of {', '.join(METRIC_KINDS)}, not {checks.shown(kind)}")
    return {
        "at": checks.at(fields),
        "name": name,
        "kind": kind,
        "value": checks.finite(number, name),
        "tags": _tags(fields, name),
    }


def log_record(value: object) -> tuple[str, str, str, Object]:
    """Return (time, level, message, fields) of one ``LogWrite``.

    Raises:
        RefusedRequestError: 422, if it is none.
    """
    fields = checks.as_object(value, "a log record")
    level, message = fields.get("level", "info"), fields.get("message")
    if level not in LEVELS:
        raise checks.invalid(f"level must be one of {', '.join(LEVELS)}, not {checks.shown(level)}")
    if not isinstance(message, str):
        raise checks.invalid("message must be text")
    return checks.at(fields), str(level), message, checks.as_object(fields.get("fields") or {}, "fields")


def heartbeat(body: bytes) -> tuple[float | None, str | None]:
    """Return (progress, note) of a ``HeartbeatWrite``.

    Raises:
        RefusedRequestError: 422, if the body is none.
    """
    fields = checks.json_object(body) if body.strip() else {}
    given, note = fields.get("progress"), checks.maybe_text(fields, "note")
    progress = None if given is None else checks.between(given, "progress", 0, 1)
    return progress, note if note is None else note[:_LONGEST_NOTE]


def label(body: bytes) -> str:
    """Return the label of a ``LabelWrite``.

    Raises:
        RefusedRequestError: 422, if the body is none.
    """
    text = checks.json_object(body).get("label")
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST_LABEL or not text.isprintable():
        raise checks.invalid(f'the body must be {{"label": "…"}}: one line of 1 to {LONGEST_LABEL} characters')
    return text


def _tags(fields: Object, name: str) -> Object:
    tags = checks.as_object(fields.get("tags") or {}, f"metric {name}: tags")
    for tag, text in tags.items():
        if not checks.NAME.fullmatch(tag) or not isinstance(text, str) or len(text) > _LONGEST_TAG:
            raise checks.invalid(f"metric {name}: tag {tag[:80]!r} must be text of at most {_LONGEST_TAG} characters")
    return tags
