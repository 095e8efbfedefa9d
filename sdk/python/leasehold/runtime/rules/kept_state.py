"""What a task may keep across its tries: how much, how many, for how long. Pure."""

from __future__ import annotations

from leasehold.runtime.rules import checks
from leasehold.runtime.rules.refusals import RefusedRequestError, invalid
from leasehold.runtime.rules.waiting import maybe_seconds
from leasehold.runtime.rules.written_values import written_value

MOST_KEYS = 1000
VALUE_BYTES = 64 * 1024
_LONGEST_PREFIX = 250


def kept(key: str, body: bytes) -> tuple[bytes, float | None]:
    """Return (the value's JSON text, for how many seconds it is kept) of a ``StateWrite``.

    Raises:
        RefusedRequestError: if the body is none, or has too much in it.
    """
    text = written_value(body)
    if len(text) > VALUE_BYTES:
        cure = "keep less, or put it into a store and keep its place"
        raise RefusedRequestError(
            413, "body_too_large", f"{key}: {len(text)} bytes are too many for a task's state (64 KiB): {cure}"
        )
    return text, maybe_seconds(checks.json_object(body).get("expires_after_s"), "expires_after_s")


def prefix(text: str) -> str:
    """Return what keys shall begin with.

    Raises:
        RefusedRequestError: 422, if no key is as long.
    """
    if len(text) > _LONGEST_PREFIX:
        raise invalid(f"prefix has at most {_LONGEST_PREFIX} characters")
    return text


def one_too_many(key: str) -> RefusedRequestError:
    """Return the refusal of one key more than there may be."""
    return invalid(f"{key}: a task keeps {MOST_KEYS} keys at most: remove some with state.delete")


def nothing_kept(task: str, key: str) -> RefusedRequestError:
    """Return the answer to a task that reads what it does not keep."""
    return RefusedRequestError(404, "not_found", f"task {task} keeps nothing under {key!r}")
