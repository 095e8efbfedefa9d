"""Which runtime does which kind of work."""

from __future__ import annotations

from collections.abc import Mapping

from leasehold_agent.runtimes.container import ContainerRuntime
from leasehold_agent.runtimes.port import Runtime, RuntimeMissingError
from leasehold_agent.runtimes.program import ProgramRuntime
from leasehold_agent.runtimes.python import PythonRuntime

RUNTIMES: Mapping[str, Runtime] = {
    "python": PythonRuntime(),
    "program": ProgramRuntime(),
    "container": ContainerRuntime(),
}


def runtime_for(kind: object) -> Runtime:
    """Return the runtime for one kind of work.

    Raises:
        RuntimeMissingError: if this version has none.
    """
    runtime = RUNTIMES.get(str(kind))
    if runtime is None:
        known = ", ".join(RUNTIMES)
        raise RuntimeMissingError(f"this agent can't run work of kind {kind!r}, only {known}: update the agent")
    return runtime
