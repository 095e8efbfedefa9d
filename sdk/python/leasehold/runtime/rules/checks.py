"""What a task sends, checked: right JSON of the right shape, or a refusal that says what to change."""

from __future__ import annotations

import json
import re
from typing import cast

from leasehold.runtime.rules import instants
from leasehold.runtime.rules.refusals import RefusedRequestError, invalid

Object = dict[str, object]

MOST_SECONDS = 366 * 86400
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}")
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-/:]{0,249}")


def json_value(body: bytes) -> object:
    """Return the JSON value of a body.

    Raises:
        RefusedRequestError: 400, if it is not JSON (``NaN`` and half characters are not).
    """
    try:
        value: object = json.loads(body, parse_constant=no_constant)
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


def finite(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1.7e308 or value != value:
        raise invalid(f"{name}: the value must be a finite number, not {shown(value)}")
    return float(value)


def between(value: object, name: str, least: float, most: float) -> float:
    number = finite(value, name)
    if not least <= number <= most:
        raise invalid(f"{name} must be between {least} and {most}, not {shown(value)}")
    return number


def at(fields: Object) -> str:
    given = fields.get("at")
    if given is None:
        return instants.now()
    try:
        return instants.normalised(str(given))
    except (ValueError, OverflowError) as problem:
        raise invalid(f"at must be an RFC 3339 time: {problem}") from None


def maybe_text(fields: Object, name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"{name} must be text, not {shown(value)}")
    return value


def texts(value: object, name: str) -> list[str]:
    """Return a list of texts.

    Raises:
        RefusedRequestError: 422, if it is something else.
    """
    items = cast("list[object]", value) if isinstance(value, list) else [None]
    if not all(isinstance(item, str) for item in items):
        raise invalid(f"{name} must be a list of texts")
    return [str(item) for item in items]


def shown(value: object) -> str:
    return repr(value)[:80]


def no_constant(name: str) -> object:
    """Refuse ``NaN`` and the infinities, which Python's JSON reads."""
    raise invalid(f"{name} is no JSON number: send null, or leave it out")
