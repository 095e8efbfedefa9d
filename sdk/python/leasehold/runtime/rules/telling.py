"""What a task tells while it runs, checked: signs of life, metrics, log records, what to mask."""

from __future__ import annotations

from leasehold.runtime.rules import checks
from leasehold.runtime.rules.checks import Object
from leasehold.runtime.rules.masking import Secrets, SecretTooShortError
from leasehold.runtime.rules.refusals import invalid

LEVELS = ("debug", "info", "warning", "error", "critical")
METRIC_KINDS = ("counter", "gauge", "timing")
_MOST_AT_ONCE = 5000
_LONGEST_TAG = 256
_LONGEST_NOTE = 500
LONGEST_LABEL = 250


def add_secret(body: bytes, secrets: Secrets) -> None:
    """Register the text of a ``MaskWrite``.

    Raises:
        RefusedRequestError: 422, if there is none, or it can't be masked.
    """
    value = checks.json_object(body).get("value")
    if not isinstance(value, str):
        raise invalid('the body must be {"value": "…"}')
    try:
        secrets.add(value)
    except (SecretTooShortError, UnicodeEncodeError) as problem:
        raise invalid(str(problem)) from None


def one_or_more(body: bytes) -> list[object]:
    """Return what a body has to tell: one thing, or a list of them.

    Raises:
        RefusedRequestError: if it is not JSON, or more than 5000.
    """
    value = checks.json_value(body)
    if not isinstance(value, list):
        return [value]
    if len(value) > _MOST_AT_ONCE:
        raise invalid(f"more than {_MOST_AT_ONCE} at once: send them in several requests")
    return list[object](value)


def metric(value: object) -> Object:
    """Return one ``MetricWrite`` with its time, ready to be numbered.

    Raises:
        RefusedRequestError: 422, if it is none.
    """
    fields = checks.as_object(value, "a metric")
    name, kind, number = fields.get("name"), fields.get("kind"), fields.get("value")
    if not isinstance(name, str) or not checks.NAME.fullmatch(name):
        raise invalid(f"a metric's name must be letters, digits and _ . - (at most 128), not {checks.shown(name)}")
    if kind not in METRIC_KINDS:
        raise invalid(f"metric {name}: kind must be one of {', '.join(METRIC_KINDS)}, not {checks.shown(kind)}")
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
        raise invalid(f"level must be one of {', '.join(LEVELS)}, not {checks.shown(level)}")
    if not isinstance(message, str):
        raise invalid("message must be text")
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
        raise invalid(f'the body must be {{"label": "…"}}: one line of 1 to {LONGEST_LABEL} characters')
    return text


def _tags(fields: Object, name: str) -> Object:
    tags = checks.as_object(fields.get("tags") or {}, f"metric {name}: tags")
    for tag, text in tags.items():
        if not checks.NAME.fullmatch(tag) or not isinstance(text, str) or len(text) > _LONGEST_TAG:
            raise invalid(f"metric {name}: tag {tag[:80]!r} must be text of at most {_LONGEST_TAG} characters")
    return tags
