"""Asking people: the task waits without a slot until somebody answers, in the command line or through the API."""

from __future__ import annotations

from leasehold.runtime.waiting import waited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta
    from typing import Any


class Answer:
    """What people answered.

    Attributes:
        chosen: The option that was chosen; a list of them with ``multiple=True``; None if there were no options.
        params: What was filled in.
        by: Who answered, like ``user:NAME``; None when the default counted because nobody did.
        at: When.
    """

    def __init__(self, settled: Mapping[str, Any], *, multiple: bool) -> None:
        value = settled.get("value") or {}
        chosen: list[str] = list(value.get("chosen") or ())
        self.chosen: Any = chosen if multiple else (chosen[0] if chosen else None)
        self.params: dict[str, Any] = dict(value.get("params") or {})
        self.by: str | None = settled.get("by")
        self._at = str(settled["at"])

    @property
    def at(self) -> datetime:
        """When it was answered."""
        from datetime import datetime

        return datetime.fromisoformat(self._at)

    def __repr__(self) -> str:
        return f"Answer(chosen={self.chosen!r}, params={self.params!r}, by={self.by!r})"


def await_input(
    question: str,
    *,
    options: Sequence[str] = (),
    params: Mapping[str, Mapping[str, object]] | None = None,
    multiple: bool = False,
    default: str | Sequence[str] | dict[str, object] | None = None,
    timeout: float | str | timedelta | None = None,
    assigned_to: Sequence[str] | None = None,
    body: str = "",
    key: str | None = None,
) -> Answer:
    """Ask people, and wait for their answer without a slot; as with ``defer`` the task runs again from its top.

    Args:
        question: One line.
        options: What can be chosen; without options and params there is one, ``ok``.
        params: What can be filled in: name → JSON Schema. One without a ``default`` has to be.
        multiple: Any number of options may be chosen.
        default: What counts when the time is up: an option, several, or values of params.
        timeout: How long to wait.
        assigned_to: Names of the users who may answer; None: all operators and admins of the team.
        body: Markdown, for more than one line.
        key: Names this question within the task; by default its text, and the how-manyth time it is asked.

    Raises:
        Deferred: while it waits; let it pass.
        WaitTimedOut: if nobody answered in time and there is no ``default``.
        RefusedError: if the question can't be asked, or no task is running here.
    """
    choices = list(options) or ([] if params else ["ok"])
    asked = {
        "question": question,
        "body": body,
        "options": choices,
        "multiple": multiple,
        "params": {name: dict(schema) for name, schema in (params or {}).items()},
        "assigned_to": list(assigned_to or ()),
    }
    wait: dict[str, object] = {"kind": "question", "question": asked}
    if default is not None:
        wait["default"] = _default(default)
    return Answer(
        waited(wait, f"input:{_digest(question)}", key=key, timeout=timeout, what="await_input"), multiple=multiple
    )


def _default(default: str | Sequence[str] | dict[str, object]) -> dict[str, object]:
    if isinstance(default, str):
        return {"chosen": [default]}
    return {"params": dict(default)} if isinstance(default, dict) else {"chosen": list(default)}


def _digest(text: str) -> str:
    from hashlib import sha256

    return sha256(text.encode(errors="replace")).hexdigest()[:16]
