"""How a program is started for a task: its arguments, its variables, and what it sees of the place it runs at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from leasehold.runtime.expressions import ExpressionError, Facts, as_text, evaluate, spread

_SHELL = ("/bin/sh", "-c")
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LANG", "LANGUAGE", "TZ")
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def clean_environment(surroundings: Mapping[str, str], *, home: str, temporary: str) -> dict[str, str]:
    """Return the variables every task gets: PATH and LD_LIBRARY_PATH, HOME, TMPDIR, the locale and the time zone.

    It is an allow-list, so that nothing of whoever starts the task leaks into it.
    """
    passed = {name: value for name, value in surroundings.items() if name in _PASSED_ON or name.startswith("LC_")}
    return {"PATH": _DEFAULT_PATH, **passed, "HOME": home, "TMPDIR": temporary}


def command(work: Mapping[str, object], facts: Facts) -> tuple[list[str], dict[str, str]]:
    """Return (argument vector, variables of the author's) of a manifest's work of kind ``program`` or ``container``.

    Of a container the arguments may be none: its image knows what to run.

    Raises:
        ExpressionError: if one of them can't be worked out.
    """
    expressions = cast("list[Mapping[str, object]]", work.get("argv") or [])
    variables = cast("Mapping[str, Mapping[str, object]]", work.get("env") or {})
    argv = [_text(expression, facts, f"argument {n}") for n, expression in enumerate(expressions)]
    env = {name: _text(value, facts, f"variable {name}") for name, value in variables.items()}
    for name, value in spread(work, facts, variables).items():
        if not name.isascii() or not name.isidentifier():
            raise ExpressionError(f"an item of expand_kwargs has {name!r}, which can't name an environment variable")
        env[name] = _checked(as_text(value), f"variable {name}")
    if not argv and work.get("kind") != "container":
        raise ExpressionError("the program has an empty argument vector")
    if work.get("shell") is True:
        # The line is the first element; others become $1, $2 … and so are never read as shell syntax.
        argv = [*_SHELL, argv[0], "sh", *argv[1:]]
    return argv, env


def why_not_started(program: str, search_path: str | None, problem: OSError | ValueError) -> str:
    """Return cause and cure for a person."""
    if isinstance(problem, FileNotFoundError):
        return f"there is no program {program!r} on this site (PATH is {search_path}): install it there"
    if isinstance(problem, PermissionError):
        return f"the program {program!r} may not be executed by the agent's user: check its permissions"
    return f"the program {program!r} could not be started: {problem}"


def _text(expression: Mapping[str, object], facts: Facts, name: str) -> str:
    try:
        text = as_text(evaluate(expression, facts))
    except (ValueError, TypeError) as problem:
        raise ExpressionError(f"{name} of the program can't be worked out: {problem}") from None
    return _checked(text, name)


def _checked(text: str, name: str) -> str:
    if "\0" in text:
        raise ExpressionError(f"{name} of the program has a NUL character in it: no program can be given that")
    return text
