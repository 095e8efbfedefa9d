"""Whether the site's policy lets a program start, decided when its arguments are known. Pure, but for PATH."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from leasehold_agent.host.patterns import matches

ANY_MORE = "..."
"""As the last pattern of a list of arguments: any further arguments."""
_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramRule:
    """One program that may run."""

    path: str
    args: tuple[tuple[str, ...], ...] | None = None
    """Lists of patterns, one per argument; none: any arguments."""
    env: tuple[str, ...] = ()
    """Patterns of the variables that the author may set."""


def resolved(program: str, *, search_path: str | None, cwd: str) -> str | None:
    """Return the absolute path of what would run; none when there is no such program."""
    if "/" in program:
        return os.path.join(cwd, program)  # noqa: PTH118 - Path would take "." away, and what is checked is what runs
    found = shutil.which(program, path=search_path)
    return found if found is not None and found.startswith("/") else None


def program_refusal(
    rules: Sequence[ProgramRule], path: str, arguments: Sequence[str], variables: Collection[str]
) -> str | None:
    """Return why a program may not run here; none when it may.

    Args:
        rules: What the policy allows.
        path: The program's absolute path.
        arguments: Without the program itself.
        variables: Names of the environment variables that the author sets.
    """
    named = [rule for rule in rules if matches(rule.path, path)]
    if not named:
        return f"the program {_short(path)} is not among the programs it allows"
    fitting = [rule for rule in named if rule.args is None or any(_fit(list_, arguments) for list_ in rule.args)]
    if not fitting:
        return f"the program {_short(path)} is allowed, but not with these arguments"
    for rule in fitting:
        if all(any(matches(pattern, name) for pattern in rule.env) for name in variables):
            return None
    return f"the program {_short(path)} is allowed, but not with the variables {', '.join(sorted(variables))}"


def _fit(patterns: Sequence[str], arguments: Sequence[str]) -> bool:
    if patterns and patterns[-1] == ANY_MORE:
        patterns = patterns[:-1]
        arguments = arguments[: len(patterns)]
    return len(patterns) == len(arguments) and all(map(matches, patterns, arguments))


def _short(path: str) -> str:
    return path if len(path) <= _SHOWN else path[:_SHOWN] + "…"
