"""Answers of the attempt host: how long they are waited for, and which error a problem document is."""

from __future__ import annotations

from leasehold.errors import (
    LeaseholdError,
    NotFoundError,
    NotGrantedError,
    RefusedError,
    UnavailableError,
    UndeclaredError,
)

WRITE_TIMEOUT_S = 60.0
"""A write ends on the host's disk: a minute without an answer means that the disk or the host is gone."""

READ_WAIT_S = 120.0
"""How long a read that needs the API may wait through an outage, unless the task says otherwise."""

_BY_CODE: dict[str, type[LeaseholdError]] = {
    "not_declared": UndeclaredError,
    "not_granted": NotGrantedError,
    "not_found": NotFoundError,
    "unavailable": UnavailableError,
}
_BY_STATUS: dict[int, type[LeaseholdError]] = {404: NotFoundError, 503: UnavailableError, 504: UnavailableError}


def json_of(text: bytes) -> object:
    """Return what a body says; None when it is no JSON."""
    import json

    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def error_of(what: str, status: int, problem: object) -> LeaseholdError:
    """Return the error that a problem document stands for; ``what`` is the request that it answers."""
    told = problem if isinstance(problem, dict) else {}
    text = told.get("detail") or told.get("title") or f"{what} was answered with status {status}"
    kind = _BY_CODE.get(str(told.get("code"))) or _BY_STATUS.get(status) or RefusedError
    return kind(str(text))
