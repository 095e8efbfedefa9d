"""A value that a task writes: any JSON, whole numbers of 64 bits. Pure."""

from __future__ import annotations

import contextlib
import json
import re

from leasehold.runtime.rules import checks
from leasehold.runtime.rules.refusals import invalid

_MANY_DIGITS = re.compile(rb"[0-9]{19}")
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


def written_value(body: bytes) -> bytes:
    """Return the JSON text of a ``ResultWrite``'s value.

    Raises:
        RefusedRequestError: as ``written``.
    """
    return checks.json_text(written(body))


def written(body: bytes) -> object:
    """Return the value of a ``ResultWrite``.

    Raises:
        RefusedRequestError: if the body is none, or has a whole number of more than 64 bits in it.
    """
    if _MANY_DIGITS.search(body):  # rarely: looking at each number of a large body takes as long as reading it
        _refuse_huge_numbers(body)
    fields = checks.json_object(body)
    if "value" not in fields:
        raise invalid('the body must be {"value": …}')
    return fields["value"]


def _refuse_huge_numbers(body: bytes) -> None:
    with contextlib.suppress(ValueError, RecursionError):  # what is wrong otherwise is said by who reads it next
        json.loads(body, parse_int=whole_number)


def whole_number(digits: str) -> int:
    """Return a whole number of JSON.

    Raises:
        RefusedRequestError: 422, if it has more than 64 bits.
    """
    if len(digits) > 20 or not _SMALLEST <= int(digits) <= _LARGEST:
        raise invalid(f"{digits[:24]}… is a whole number of more than 64 bits: send it as text")
    return int(digits)
