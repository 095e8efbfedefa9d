"""What is wrong with a policy, each with its line, cause and cure; and what is right but hardly meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel

from leasehold_agent.policy.lines import line_of
from leasehold_agent.policy.model import Hours, Limits, Policy, Program, Signers, Window

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_TABLES: dict[tuple[str, ...], type[BaseModel]] = {
    (): Policy,
    ("programs",): Program,
    ("hours",): Hours,
    ("hours", "windows"): Window,
    ("limits",): Limits,
    ("signers",): Signers,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake."""

    text: str
    """Cause and cure."""
    line: int | None = None
    """From 1; none when it is about the file itself."""

    def __str__(self) -> str:
        """Return the mistake for people."""
        return self.text if self.line is None else f"line {self.line}: {self.text}"


def explained(text: str, errors: Sequence[ErrorDetails]) -> list[Mistake]:
    """Return every mistake that the model found in ``text``, by line."""
    mistakes = [_explain(text, error) for error in errors]
    return sorted(mistakes, key=lambda mistake: mistake.line or 0)


def doubts(policy: Policy) -> list[str]:
    """Return what is allowed to say and hardly meant."""
    found = [
        f"{name} is empty or missing: nothing can run"
        for name in ("runtimes", "teams", "dags")
        if not getattr(policy, name)
    ]
    if "program" in policy.runtimes and not policy.programs:
        found.append("the runtime program is allowed, and no [[programs]] is: every program task is refused")
    if policy.programs and "program" not in policy.runtimes:
        found.append("[[programs]] are named, and the runtime program is not: they can't run")
    if "container" in policy.runtimes and not policy.images:
        found.append("the runtime container is allowed, and no images are: every container task is refused")
    if policy.images and "container" not in policy.runtimes:
        found.append("images are named, and the runtime container is not: they can't run")
    if policy.programs and "python" in policy.runtimes:
        found.append("python tasks are allowed, and can start any program themselves: [[programs]] does not bind them")
    if (signers := policy.signers) is not None:
        if not signers.keys and signers.jwks is None:
            found.append("[signers] has no keys: nothing that it is about can run")
        if not signers.required:
            found.append("[signers] does not require signatures: whoever can take one off can run what it was on")
    return found


def _explain(text: str, error: ErrorDetails) -> Mistake:
    where = error["loc"]
    line = line_of(text, where, error["input"])
    names = tuple(part for part in where if isinstance(part, str))
    name = ".".join(names)
    if error["type"] == "extra_forbidden":
        known = list(_TABLES[names[:-1]].model_fields)
        elsewhere = [".".join(table) for table, model in _TABLES.items() if names[-1] in model.model_fields]
        if elsewhere:
            return Mistake(line=line, text=f"there is no {name}; it belongs in {elsewhere[0] or 'the first part'}")
        close = difflib.get_close_matches(names[-1], known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
        return Mistake(line=line, text=f"there is no {name}; {hint}")
    if error["type"] == "missing":
        extra = ": the first line of a policy is version = 1" if name == "version" else ""
        return Mistake(line=line, text=f"{name} is missing{extra}")
    if error["type"] == "value_error":
        return Mistake(line=line, text=f"{name}: {error['msg'].removeprefix('Value error, ')}")
    return Mistake(line=line, text=f"{name} = {_shown(error['input'])}: {error['msg']}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "…"
