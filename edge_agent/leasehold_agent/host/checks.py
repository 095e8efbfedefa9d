"""What a task writes, checked: right JSON of the right shape, or a refusal that says what to change. Pure."""

from __future__ import annotations

import contextlib
import json
import math
import re
from typing import cast

from leasehold_agent.host import instants
from leasehold_agent.host.endings import Said
from leasehold_agent.host.http_wire import RefusedRequestError
from leasehold_agent.host.version import OLDEST_TASK_PROTOCOL, TASK_PROTOCOL

Object = dict[str, object]

LEVELS = ("debug", "info", "warning", "error", "critical")
METRIC_KINDS = ("counter", "gauge", "timing")
ENDING_KINDS = ("success", "failed", "failed_for_good", "skipped", "retry")
_LONGEST_TAG = 256
_LONGEST_NOTE = 500
_MOST_SECONDS = 366 * 86400
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}")
_AUDIENCE = re.compile(r"[!#-\[\]-~]{1,255}")
_MANY_DIGITS = re.compile(rb"[0-9]{19}")
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-/:]{0,249}")


def json_value(body: bytes) -> object:
    """Return the JSON value of a body.

    Raises:
        RefusedRequestError: 400, if it is not JSON (``NaN`` and half characters are not).
    """
    try:
        value: object = json.loads(body, parse_constant=_no_constant)
    except RecursionError:
        raise RefusedRequestError(400, "not_json", "the body is nested too deeply") from None
    except ValueError as problem:
        raise RefusedRequestError(400, "not_json", f"the body is not JSON: {problem}") from None
    return value


def json_object(body: bytes) -> Object:
    """Return the JSON object of a body.

    Raises:
        RefusedRequestError: if it is something else.
    """
    return as_object(json_value(body), "the body")


def as_object(value: object, name: str) -> Object:
    """Return ``value`` if it is an object.

    Raises:
        RefusedRequestError: 422, if it is something else.
    """
    if not isinstance(value, dict):
        raise invalid(f"{name} must be a JSON object")
    return cast("Object", value)


def written_value(body: bytes) -> bytes:
    """Return the JSON text of a ``ResultWrite``'s value.

    Raises:
        RefusedRequestError: if the body is none, or has a whole number of more than 64 bits in it.
    """
    if _MANY_DIGITS.search(body):  # rarely: looking at each number of a large body takes as long as reading it
        _refuse_huge_numbers(body)
    fields = json_object(body)
    if "value" not in fields:
        raise invalid('the body must be {"value": …}')
    return json_text(fields["value"])


def audience(body: bytes) -> str:
    """Return whom an identity token shall be for.

    Raises:
        RefusedRequestError: if the body does not say.
    """
    value = json_object(body).get("audience")
    if not isinstance(value, str) or not _AUDIENCE.fullmatch(value):
        raise invalid('the body must be {"audience": "…"}: 1 to 255 ASCII letters and signs, no space, " or \\')
    return value


def json_text(value: object) -> bytes:
    """Return compact JSON text.

    Raises:
        RefusedRequestError: 422, if it has something in it that JSON, or UTF-8, does not know.
    """
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError:
        raise invalid("a text has half a character (a lone surrogate) in it: replace it before sending") from None
    except ValueError:
        raise invalid("a number is too large for JSON: send it as text") from None


def key(text: str) -> str:
    """Return ``text`` if it may be the key of an XCom or a variable.

    Raises:
        RefusedRequestError: 422, if not.
    """
    if not _KEY.fullmatch(text):
        raise invalid(
            f"{text[:80]!r} can't be a key: use letters, digits and _ . - / : (at most 250, the first a letter)"
        )
    return text


def metric(value: object) -> Object:
    """Return one ``MetricWrite`` with its time, ready to be numbered.

    Raises:
        RefusedRequestError: 422, if it is none.
    """
    fields = as_object(value, "a metric")
    name, kind, number = fields.get("name"), fields.get("kind"), fields.get("value")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid(f"a metric's name must be letters, digits and _ . - (at most 128), not {_shown(name)}")
    if kind not in METRIC_KINDS:
        raise invalid(f"metric {name}: kind must be one of {', '.join(METRIC_KINDS)}, not {_shown(kind)}")
    return {"at": _at(fields), "name": name, "kind": kind, "value": _finite(number, name), "tags": _tags(fields, name)}


def log_record(value: object) -> tuple[str, str, str, Object]:
    """Return (time, level, message, fields) of one ``LogWrite``.

    Raises:
        RefusedRequestError: 422, if it is none.
    """
    fields = as_object(value, "a log record")
    level, message = fields.get("level", "info"), fields.get("message")
    if level not in LEVELS:
        raise invalid(f"level must be one of {', '.join(LEVELS)}, not {_shown(level)}")
    if not isinstance(message, str):
        raise invalid("message must be text")
    return _at(fields), str(level), message, as_object(fields.get("fields") or {}, "fields")


def said(body: bytes) -> Said:
    """Return an ``EndingWrite``.

    Raises:
        RefusedRequestError: 422, if the body is none.
    """
    fields = json_object(body)
    kind, after = fields.get("kind"), fields.get("retry_after_s")
    if kind not in ENDING_KINDS:
        raise invalid(f"kind must be one of {', '.join(ENDING_KINDS)}, not {_shown(kind)}")
    return Said(
        kind=str(kind),
        message=_maybe_text(fields, "message"),
        retry_after_s=None if after is None else _between(after, "retry_after_s", 0, _MOST_SECONDS),
    )


def heartbeat(body: bytes) -> tuple[float | None, str | None]:
    """Return (progress, note) of a ``HeartbeatWrite``.

    Raises:
        RefusedRequestError: 422, if the body is none.
    """
    fields = json_object(body) if body.strip() else {}
    given, note = fields.get("progress"), _maybe_text(fields, "note")
    progress = None if given is None else _between(given, "progress", 0, 1)
    return progress, note if note is None else note[:_LONGEST_NOTE]


def wait_s(header: str | None, default: float) -> float:
    """Return how long a read may wait for the API (header ``Leasehold-Wait``, seconds).

    Raises:
        RefusedRequestError: 422, if it is no such number.
    """
    if header is None:
        return default
    try:
        seconds = float(header)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= _MOST_SECONDS:
        raise invalid(f"Leasehold-Wait must be seconds, not {_shown(header)}")
    return seconds


def task_protocol(header: str | None) -> None:
    """Check that this host speaks the version of the task protocol that a binding needs.

    Raises:
        RefusedRequestError: 426, if it does not.
    """
    if header is None or header == str(TASK_PROTOCOL):
        return
    spoken = f"this agent speaks version {TASK_PROTOCOL} of the task protocol"
    if not (header.isascii() and header.isdigit() and len(header) < 6):
        raise invalid(f"Leasehold-Task-Protocol must be a whole number, not {_shown(header)}: {spoken}")
    if int(header) > TASK_PROTOCOL:
        cure = "update the agent of this site, or use an older SDK in the task"
        raise RefusedRequestError(426, "version_unsupported", f"{spoken}, the task's SDK needs {header}: {cure}")
    if int(header) < OLDEST_TASK_PROTOCOL:
        cure = "use a newer SDK in the task"
        raise RefusedRequestError(426, "version_unsupported", f"{spoken}, the task's SDK needs {header}: {cure}")


def seconds(value: object, default: float) -> float:
    """Return a duration of a control message; ``default`` when it is none."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST_SECONDS
    return float(cast("float", value)) if fits else default


def invalid(detail: str) -> RefusedRequestError:
    """Return the refusal of a body or parameter of the wrong shape."""
    return RefusedRequestError(422, "invalid_request", detail)


def _finite(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1.7e308 or value != value:
        raise invalid(f"{name}: the value must be a finite number, not {_shown(value)}")
    return float(value)


def _between(value: object, name: str, least: float, most: float) -> float:
    number = _finite(value, name)
    if not least <= number <= most:
        raise invalid(f"{name} must be between {least} and {most}, not {_shown(value)}")
    return number


def _tags(fields: Object, name: str) -> Object:
    tags = as_object(fields.get("tags") or {}, f"metric {name}: tags")
    for tag, text in tags.items():
        if not _NAME.fullmatch(tag) or not isinstance(text, str) or len(text) > _LONGEST_TAG:
            raise invalid(f"metric {name}: tag {tag[:80]!r} must be text of at most {_LONGEST_TAG} characters")
    return tags


def _at(fields: Object) -> str:
    given = fields.get("at")
    if given is None:
        return instants.now()
    try:
        return instants.normalised(str(given))
    except (ValueError, OverflowError) as problem:
        raise invalid(f"at must be an RFC 3339 time: {problem}") from None


def _maybe_text(fields: Object, name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"{name} must be text, not {_shown(value)}")
    return value


def _shown(value: object) -> str:
    return repr(value)[:80]


def _refuse_huge_numbers(body: bytes) -> None:
    def whole(digits: str) -> int:
        if len(digits) > 20 or not _SMALLEST <= int(digits) <= _LARGEST:
            raise invalid(f"{digits[:24]}… is a whole number of more than 64 bits: send it as text")
        return int(digits)

    with contextlib.suppress(ValueError, RecursionError):  # what is wrong otherwise is said by who reads it next
        json.loads(body, parse_int=whole)


def _no_constant(name: str) -> object:
    raise invalid(f"{name} is no JSON number: send null, or leave it out")
