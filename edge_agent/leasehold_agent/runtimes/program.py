"""The ``program`` runtime: any executable, with its arguments worked out from the run and the upstream results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from leasehold.runtime.expressions import Facts, as_text, evaluate, facts_from_context
from leasehold_agent.runtimes.environment import clean_environment
from leasehold_agent.runtimes.port import Launch, Place, WorkRefusedError

_SHELL = ("/bin/sh", "-c")


class ProgramRuntime:
    """Runs programs; a shell only when it was asked for."""

    def prepare(self, work: Mapping[str, object], context: Mapping[str, object], place: Place) -> Launch:
        """See ``Runtime.prepare``."""
        facts = facts_from_context(context)
        expressions = cast("list[Mapping[str, object]]", work.get("argv") or [])
        variables = cast("Mapping[str, Mapping[str, object]]", work.get("env") or {})
        argv = [_text(expression, facts, f"argument {n}") for n, expression in enumerate(expressions)]
        env = {name: _text(value, facts, f"variable {name}") for name, value in variables.items()}
        if not argv:
            raise WorkRefusedError("the program has an empty argument vector")
        if work.get("shell") is True:
            # The line is the first element; others become $1, $2 … and so are never read as shell syntax.
            argv = [*_SHELL, argv[0], "sh", *argv[1:]]
        return Launch(
            argv=tuple(argv),
            env={**clean_environment(place), **env},
            cwd=place.work_dir,
            result=str(work.get("result", "last_line")),
        )


def _text(expression: Mapping[str, object], facts: Facts, name: str) -> str:
    try:
        text = as_text(evaluate(expression, facts))
    except (ValueError, TypeError) as problem:
        raise WorkRefusedError(f"{name} of the program can't be worked out: {problem}") from None
    if "\0" in text:
        raise WorkRefusedError(f"{name} of the program has a NUL character in it: no program can be given that")
    return text
