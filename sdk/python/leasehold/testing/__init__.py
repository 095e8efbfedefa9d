"""Test tasks and whole DAGs in one process: no agent, no API, the rules of a site.

from leasehold.testing import run, run_task

assert run_task(summarise, [1.0, 3.0]).result == {"mean": 2.0}
assert run(weather, params={"day": "2026-11-02"}).tasks["summarise"].result["warmest"] == 23.0
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from leasehold.runtime.in_memory.given import GivenObjects
    from leasehold.runtime.in_memory.host import LocalHost
    from leasehold.runtime.in_memory.run_objects import GivenDag, GivenRun
    from leasehold.runtime.in_memory.told import LogRecord, Metric
    from leasehold.testing.by_hand import run_here
    from leasehold.testing.failures import RunFailedError
    from leasehold.testing.fake_task import FakeTask
    from leasehold.testing.results import RunResult, TaskResult
    from leasehold.testing.running import run, run_task

__all__ = [
    "FakeTask",
    "GivenDag",
    "GivenObjects",
    "GivenRun",
    "LocalHost",
    "LogRecord",
    "Metric",
    "RunFailedError",
    "RunResult",
    "TaskResult",
    "run",
    "run_here",
    "run_task",
]

_HOMES = {
    "FakeTask": "leasehold.testing.fake_task",
    "GivenDag": "leasehold.runtime.in_memory.run_objects",
    "GivenObjects": "leasehold.runtime.in_memory.given",
    "GivenRun": "leasehold.runtime.in_memory.run_objects",
    "LocalHost": "leasehold.runtime.in_memory.host",
    "LogRecord": "leasehold.runtime.in_memory.told",
    "Metric": "leasehold.runtime.in_memory.told",
    "RunFailedError": "leasehold.testing.failures",
    "RunResult": "leasehold.testing.results",
    "TaskResult": "leasehold.testing.results",
    "run": "leasehold.testing.running",
    "run_here": "leasehold.testing.by_hand",
    "run_task": "leasehold.testing.running",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'leasehold.testing' has no attribute {name!r}")
    value: object = getattr(__import__(_HOMES[name], fromlist=[name]), name)
    globals()[name] = value
    return value
