"""What comes of a task's waits in a run in one process: what the test gives, or the time that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from leasehold.authoring.params import fits
from leasehold.errors import WaitTimedOut
from leasehold.runtime.in_memory.runs import Facts
from leasehold.runtime.values import plain
from leasehold.testing.clock import Clock

MOST_WAITS = 100
"""Different things that a task may wait for: the API's bound."""

Wait = Mapping[str, Any]


class WaitsInVainError(Exception):
    """What the task waits for never comes: at a site neither, or the test does not give it. Says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """What a test says will come.

    Attributes:
        events: Values by the events' names; ``WaitTimedOut()``: it does not come in time.
        answers: By the question or its key: an option, options, a dictionary of params, a pair of both, an ``Answer``,
            or ``WaitTimedOut()``.
    """

    events: Mapping[str, object] = field(default_factory=dict[str, object])
    answers: Mapping[str, object] = field(default_factory=dict[str, object])

    def of(self, wait: Wait, *, run: Facts | None, own_run: str, clock: Clock, task: str) -> dict[str, object]:
        """Let a wait come to its end; return its ``SettledWait``.

        Args:
            wait: The wait, as it was checked.
            run: The run that it waits for, if there is one.
            own_run: The id of the run under test.
            clock: Moved by as much as the wait takes.
            task: Who waits, for messages.

        Raises:
            WaitsInVainError: if it would never end.
        """
        value: object = None
        verdict, message, by = "came", None, None
        match wait["kind"]:
            case "time":
                clock.wait(length_of(wait, clock), f"{task} waits for a time")
            case "run":
                verdict, value, message = _run(wait, run, own_run)
            case "event":
                name = str(wait["event"])
                verdict, value = _given(wait, self.events, (name,), f'events={{"{name}": …}}', clock)
                value = plain(value, f'events["{name}"]')
            case _:
                verdict, value, by = _answer(wait, self.answers, clock)
        at = clock.now().isoformat()
        return {"key": wait["key"], "verdict": verdict, "value": value, "message": message, "by": by, "at": at}


def length_of(again: Wait, clock: Clock, names: tuple[str, str] = ("after_s", "at")) -> float:
    """Return for how many seconds there is to wait: so many, or until a time."""
    after, at = (again.get(name) for name in names)
    return float(after or 0) if at is None else (datetime.fromisoformat(at) - clock.now()).total_seconds()


def _run(wait: Wait, run: Facts | None, own_run: str) -> tuple[str, object, str | None]:
    name, states = wait["run"], wait["states"]
    if name == own_run:
        raise WaitsInVainError("a task can't wait for its own run to end: it would wait for itself")
    if run is None:
        return "refused", None, f"there is no run {name!r} in this team"
    if run["state"] in ("queued", "running"):
        raise WaitsInVainError(f"waits for the run {name}, which is given as {run['state']}: give it another state")
    if states and run["state"] not in states:
        return "refused", None, f"run {name} ended as {run['state']}, not as {' or '.join(states)}"
    return "came", {"run": name, "state": run["state"]}, None


def _given(wait: Wait, given: Mapping[str, object], names: Sequence[str], how: str, clock: Clock) -> tuple[str, object]:
    """Return (verdict, what is given)."""
    name = next((name for name in names if name in given), None)
    what = f"the event {names[0]!r}" if wait["kind"] == "event" else f"an answer to {names[-1]!r}"
    if name is None:
        cure = f"give the test one, run(…, {how})" if clock.is_virtual else "nobody can give it to a script run by hand"
        raise WaitsInVainError(f"waits for {what}: {cure}")
    if not isinstance(given[name], WaitTimedOut):
        return "came", given[name]
    if wait.get("timeout_s") is None:
        raise WaitsInVainError(f"waits for {what} without a time-out: it can't come too late (WaitTimedOut)")
    clock.wait(wait["timeout_s"], f"waits for {what}")
    return "timed_out", None


def _answer(wait: Wait, answers: Mapping[str, object], clock: Clock) -> tuple[str, object, str | None]:
    question: Wait = wait["question"]
    _check(question)
    asked = str(question["question"])
    how = (
        f"answers={{{asked!r}: {question['options'][0]!r}}}" if question["options"] else f"answers={{{asked!r}: {{…}}}}"
    )
    verdict, given = _given(wait, answers, (str(wait["key"]), asked), how, clock)
    if verdict == "timed_out":
        default: Wait | None = wait.get("default")
        return (verdict, None, None) if default is None else ("came", _fitting(question, default, "default"), None)
    by = getattr(given, "by", None) or "user:test"
    return "came", _fitting(question, _as_answer(given), f"answers[{asked!r}]"), by


def _check(question: Wait) -> None:
    options = question["options"]
    if len(set(options)) != len(options):
        raise WaitsInVainError("the question can't be asked: options: two of them are the same")


def _as_answer(given: object) -> Wait:
    match given:
        case str():
            return {"chosen": [given], "params": {}}
        case Mapping():
            return {"chosen": [], "params": given}
        case (str() | list() as chosen, Mapping() as params):
            return {"chosen": [chosen] if isinstance(chosen, str) else chosen, "params": params}
        case list():
            return {"chosen": given, "params": {}}
        case _ if hasattr(given, "chosen") and hasattr(given, "params"):
            found = cast("Any", given)
            chosen = [found.chosen] if isinstance(found.chosen, str) else found.chosen or []
            return {"chosen": chosen, "params": found.params}
        case _:
            raise WaitsInVainError(
                f'{given!r} can\'t be an answer: give an option, {{params}}, or ("option", {{params}})'
            )


def _fitting(question: Wait, answer: Wait, where: str) -> Wait:
    """Return an answer as a task gets it: options in the question's order, defaults of params filled in."""
    options, chosen, schema = question["options"], answer["chosen"], question["params"]
    there_are = ", ".join(options) or "it has none"
    if unknown := [choice for choice in chosen if choice not in options]:
        raise WaitsInVainError(f"{where}: {unknown[0]!r} is none of the options: {there_are}")
    if options and not question["multiple"] and len(set(chosen)) != 1:
        raise WaitsInVainError(f"{where}: exactly one of the options is needed: {there_are}")
    if unknown := [name for name in answer["params"] if name not in schema]:
        raise WaitsInVainError(
            f"{where}: the question has no param {unknown[0]!r}: {', '.join(schema) or 'it has none'}"
        )
    params: dict[str, object] = {}
    for name, entry in schema.items():
        if name not in answer["params"] and "default" not in entry:
            raise WaitsInVainError(f"{where}: the param {name!r} has to be filled in")
        params[name] = plain(answer["params"].get(name, entry.get("default")), f"{where}[{name!r}]")
        if isinstance(entry.get("type"), str | None) and not fits(params[name], entry):
            raise WaitsInVainError(f"{where}: the param {name!r} is {params[name]!r}, but its schema says {entry}")
    return {"chosen": [option for option in options if option in chosen], "params": params}
