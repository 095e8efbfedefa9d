"""What a task says it waits for, and what it skips, checked: more than these bounds could not be delivered. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from leasehold.runtime.rules import checks, instants
from leasehold.runtime.rules.checks import Object
from leasehold.runtime.rules.refusals import RefusedRequestError, invalid

KINDS = ("time", "run", "event", "question")
_RUN_STATES = ("success", "failed", "cancelled")
_VALUE_BYTES = 16 * 1024


def waited_for(value: object, *, runs_for_s: float) -> Object:
    """Return a ``Wait``, with how long this attempt had run when it began.

    Raises:
        RefusedRequestError: 422, if it is none.
    """
    fields = checks.as_object(value, "wait")
    kind = fields.get("kind")
    if kind not in KINDS:
        raise invalid(f"wait: kind must be one of {', '.join(KINDS)}, not {checks.shown(kind)}")
    wait: Object = {"key": checks.key(str(fields.get("key"))), "kind": kind, "since_start_s": round(runs_for_s, 6)}
    match kind:
        case "time":
            wait |= _time(fields)
        case "run":
            wait |= _run(fields)
        case "event":
            wait["event"] = checks.key(str(fields.get("event")))
        case _:
            wait |= _question(fields)
    if (timeout_s := maybe_seconds(fields.get("timeout_s"), "timeout_s")) is not None:
        wait["timeout_s"] = timeout_s
    return wait


def skipped(body: bytes, *, task: str, downstream: Sequence[str]) -> tuple[str, ...]:
    """Return the tasks of a ``SkipDownstream``.

    Raises:
        RefusedRequestError: 422, if it names what is not directly downstream, saying what is.
    """
    tasks = checks.texts(checks.json_object(body).get("tasks"), "tasks")
    unknown = [name for name in tasks if name not in downstream]
    if unknown or not tasks:
        there_are = f"those are {', '.join(downstream)}" if downstream else "nothing is"
        what = f"{unknown[0][:130]!r} is" if unknown else "no name given is"
        raise RefusedRequestError(422, "invalid_request", f"{what} not directly downstream of {task!r}: {there_are}")
    return tuple(tasks)


def instant(value: object, name: str) -> str:
    """Return an RFC 3339 time in UTC.

    Raises:
        RefusedRequestError: 422, if it is none, or has no offset from UTC.
    """
    try:
        return instants.normalised(str(value))
    except (ValueError, OverflowError) as problem:
        raise invalid(f"{name} must be an RFC 3339 time: {problem}") from None


def maybe_seconds(value: object, name: str) -> float | None:
    """Return a duration, if there is one.

    Raises:
        RefusedRequestError: 422, if it is negative, longer than a year, or no number.
    """
    return None if value is None else checks.between(value, name, 0, checks.MOST_SECONDS)


def _time(fields: Object) -> Object:
    after, at = fields.get("after_s"), fields.get("at")
    if (after is None) == (at is None):
        raise invalid("wait: a time needs one of after_s and at")
    return {"at": instant(at, "at")} if at is not None else {"after_s": maybe_seconds(after, "after_s")}


def _run(fields: Object) -> Object:
    run, states = fields.get("run"), checks.texts(fields.get("states") or [], "states")
    if not isinstance(run, str) or not 0 < len(run) <= 200:
        raise invalid(f"wait: run must be a run's id, not {checks.shown(run)}")
    if unknown := [state for state in states if state not in _RUN_STATES]:
        raise invalid(f"wait: states are {', '.join(_RUN_STATES)}, not {checks.shown(unknown[0])}")
    return {"run": run, "states": states}


def _question(fields: Object) -> Object:
    question = checks.as_object(fields.get("question"), "wait: question")
    asked, body = question.get("question"), question.get("body", "")
    if not isinstance(asked, str) or not 0 < len(asked) <= 1000:
        raise invalid("question: the question must be text of 1 to 1000 characters")
    if not isinstance(body, str) or len(body) > 16_000:
        raise invalid("question: body must be text of at most 16000 characters")
    options = checks.texts(question.get("options") or [], "options")
    if len(options) > 100 or not all(0 < len(option) <= 200 for option in options):
        raise invalid("question: options are at most 100 texts of 1 to 200 characters")
    assigned_to = checks.texts(question.get("assigned_to") or [], "assigned_to")
    if len(assigned_to) > 100 or not all(len(name) <= 200 for name in assigned_to):
        raise invalid("question: assigned_to are at most 100 names of users")
    params = checks.as_object(question.get("params") or {}, "question: params")
    if unnamed := [name for name in params if not checks.NAME.fullmatch(name)]:
        raise invalid(f"question: {unnamed[0][:80]!r} can't be a param's name: use letters, digits and _ . -")
    if not options and not params:
        raise invalid("question: it has neither options nor params: there is nothing to answer")
    default = _default(fields)
    asked_of: Object = {"question": asked, "body": body, "options": options, "params": params}
    asked_of |= {"multiple": question.get("multiple") is True, "assigned_to": assigned_to}
    if len(checks.json_text([asked_of, default])) > 2 * _VALUE_BYTES:
        raise invalid("question: with its body and params it may have 32 KiB at most")
    return {"question": asked_of, **({} if default is None else {"default": default})}


def _default(fields: Object) -> Object | None:
    if fields.get("default") is None:
        return None
    default = checks.as_object(fields["default"], "default")
    params = checks.as_object(default.get("params") or {}, "default: params")
    return {"chosen": checks.texts(default.get("chosen") or [], "default: chosen"), "params": params}
