"""The ``program`` runtime: any executable, with its arguments worked out from the run and the upstream results."""

from __future__ import annotations

from collections.abc import Mapping

from leasehold.runtime.expressions import ExpressionError, facts_from_context
from leasehold.runtime.rules.programs import command
from leasehold_agent.runtimes.environment import clean_environment
from leasehold_agent.runtimes.port import Launch, Place, WorkRefusedError


class ProgramRuntime:
    """Runs programs; a shell only when it was asked for."""

    def prepare(self, work: Mapping[str, object], context: Mapping[str, object], place: Place) -> Launch:
        """See ``Runtime.prepare``."""
        try:
            argv, env = command(work, facts_from_context(context))
        except ExpressionError as problem:
            raise WorkRefusedError(str(problem)) from None
        return Launch(
            argv=tuple(argv),
            env={**clean_environment(place), **env},
            cwd=place.work_dir,
            result=str(work.get("result", "last_line")),
        )
