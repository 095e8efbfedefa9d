"""What a task asks about runs, and asks to be started, checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from leasehold.runtime.rules import checks
from leasehold.runtime.rules.checks import Object
from leasehold.runtime.rules.refusals import invalid
from leasehold.runtime.rules.written_values import written_value

OF_TASKS = ("dag", "run", "logical_date", "task", "state", "map_index")
"""What a question about task instances may be narrowed down by."""
OF_PREVIOUS_TASK = ("dag", "task", "map_index", "before", "state")
"""The same, about the instance in the run before."""
_OF_PREVIOUS = ("dag", "before", "state")
_OF_RUNS = ("dag", "run", "state", "logical_date")
_OF_A_TRIGGER = ("dag", "params", "logical_date", "key")


def of_runs(name: str) -> tuple[str, ...]:
    """Return what ``/v1/runs/{name}`` may be narrowed down by."""
    return {"previous": _OF_PREVIOUS, "count": _OF_RUNS}.get(name, ("wait_s",))


def known_names(query: Mapping[str, str], known: tuple[str, ...]) -> dict[str, str]:
    """Return the query, in the order of ``known``.

    Raises:
        RefusedRequestError: 422, if it has a name that would be passed over: the answer would be to another question.
    """
    if unknown := [name for name in query if name not in known]:
        there_is = ", ".join(known) or "nothing"
        raise invalid(f"this can't be narrowed down by {checks.shown(unknown[0])}; there is: {there_is}")
    return {name: query[name] for name in known if name in query}


def narrowed_by(query: Mapping[str, str], known: tuple[str, ...]) -> str:
    """Return the query as the API is asked.

    Raises:
        RefusedRequestError: 422, see ``known_names``.
    """
    return urlencode(known_names(query, known))


def triggered(body: bytes) -> Object:
    """Return a ``TaskTrigger``.

    Raises:
        RefusedRequestError: if the body is none.
    """
    fields = checks.json_object(body)
    if unknown := [name for name in fields if name not in _OF_A_TRIGGER]:
        raise invalid(f"a run has no {checks.shown(unknown[0])}; there is: {', '.join(_OF_A_TRIGGER)}")
    if not isinstance(fields.get("dag"), str):
        raise invalid('the body must be {"dag": "…"}, and may have params, logical_date and key')
    params = checks.as_object(fields.get("params") or {}, "params")
    written_value(checks.json_text({"value": params}))  # refuses what would not arrive as it is
    return {**{name: value for name, value in fields.items() if value is not None}, "params": params}
