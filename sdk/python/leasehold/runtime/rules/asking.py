"""What a task asks for, checked; and what it is told when it may not have it, or nobody can say."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable

from leasehold.runtime.rules import checks
from leasehold.runtime.rules.refusals import RefusedRequestError, invalid
from leasehold.runtime.rules.written_values import written_value

READ_WAIT_S = 60.0
"""How long a read waits for the API when the task does not say (``Leasehold-Wait``)."""

_AUDIENCE = re.compile(r"[!#-\[\]-~]{1,255}")


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
    if not 0 <= seconds <= checks.MOST_SECONDS:
        raise invalid(f"Leasehold-Wait must be seconds, not {checks.shown(header)}")
    return seconds


def audience(body: bytes) -> str:
    """Return whom an identity token shall be for.

    Raises:
        RefusedRequestError: if the body does not say.
    """
    value = checks.json_object(body).get("audience")
    if not isinstance(value, str) or not _AUDIENCE.fullmatch(value):
        raise invalid('the body must be {"audience": "…"}: 1 to 255 ASCII letters and signs, no space, " or \\')
    return value


def map_index(text: str | None) -> int | None:
    """Return which of a task's mapped instances is meant; none when the query does not say.

    Raises:
        RefusedRequestError: 422, if it is no whole number.
    """
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise invalid(f"map_index must be a whole number, not {text[:40]!r}") from None


def declares(declared: Iterable[str], key: str) -> bool:
    """Say whether a key is one that was declared, or begins as one says that has ``*`` at its end."""
    return any(key.startswith(one[:-1]) if one.endswith("*") else key == one for one in declared)


def variable_write(body: bytes) -> checks.Object:
    """Return a ``VariableWrite``.

    Raises:
        RefusedRequestError: if the body is none.
    """
    value = written_value(body)
    description = checks.maybe_text(checks.json_object(body), "description")
    return {"value": json.loads(value), **({} if description is None else {"description": description})}


def undeclared(task: str, kind: str, name: str) -> RefusedRequestError:
    """Return the refusal of a connection or variable that the task did not declare."""
    cure = f'add {kind}s=["{name}"] to the task and deploy again'
    return RefusedRequestError(403, "not_declared", f"task {task} did not declare {kind} {name!r}: {cure}")


def not_upstream(task: str, own: str) -> RefusedRequestError:
    """Return the refusal of the value of a task that ``own`` does not wait for."""
    cure = f"make it run before this one ({task} >> {own}), or pass its result as an argument"
    return RefusedRequestError(403, "not_declared", f"task {task!r} is not upstream of {own!r}: {cure}")


def not_written(key: str) -> RefusedRequestError:
    """Return the answer to a task that reads an XCom of its own too early."""
    return RefusedRequestError(404, "not_found", f"this task has not written an XCom {key!r} yet")


def api_out_of_reach(limit_s: float) -> RefusedRequestError:
    """Return the answer when the API could not be asked within ``limit_s``."""
    cure = "try again later, or wait longer with the header Leasehold-Wait: <seconds>"
    detail = f"the API could not be asked within {limit_s:g} s (an outage, or the agent restarts): {cure}"
    return RefusedRequestError(503, "unavailable", detail)


def no_such_call(path: str) -> RefusedRequestError:
    """Return the answer to a path that nothing answers."""
    detail = f"there is no {path} here; the calls are listed in the task protocol"
    return RefusedRequestError(404, "not_found", detail)


def wrong_method(path: str, method: str, *allowed: str) -> RefusedRequestError:
    """Return the answer to a method that the path does not take."""
    return RefusedRequestError(405, "method_not_allowed", f"{path} takes {', '.join(allowed)}, not {method}")
