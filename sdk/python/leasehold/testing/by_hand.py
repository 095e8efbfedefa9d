"""Running a whole DAG by hand: ``my_dag.run_here()``."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from leasehold.authoring.dags import Dag
from leasehold.runtime.in_memory.given_runs import GivenRuns
from leasehold.runtime.in_memory.told import LogRecord, Told
from leasehold.runtime.in_memory.xcoms import GivenXComs
from leasehold.runtime.outside.stand_in import Surroundings
from leasehold.testing.clock import WallClock
from leasehold.testing.results import RunResult
from leasehold.testing.starting import run_dag
from leasehold.testing.whole_run import Means


def run_here(dag: Dag[...], params: Mapping[str, object] | None = None) -> RunResult:
    """Run a whole DAG by hand: connections and variables come from the environment and ``leasehold.toml``.

    The log goes to standard error as it is written. Tasks that look again later, or wait for a time, really wait.

    Raises:
        SystemExit: with 1, if the run fails; why is on standard error.
    """
    xcoms: dict[tuple[str, str, int], object] = {}
    runs = GivenRuns(may_start=False)
    given = _SurroundingsOfARun(xcoms, runs)
    means = Means(given=given, runs=runs, xcoms=xcoms, clock=WallClock(), told=_told_aloud)
    result = run_dag(dag, params or {}, means)
    for task in result.tasks.values():
        print(repr(task)[1:-1], file=sys.stderr)  # noqa: T201 - the answer to whoever ran the script
    if result.state == "failed":
        raise SystemExit(1)
    return result


class _SurroundingsOfARun(Surroundings):
    """What lies around, and what the tasks of this run leave for each other."""

    def __init__(self, xcoms: Mapping[tuple[str, str, int], object], runs: GivenRuns) -> None:
        super().__init__()
        self.runs = runs
        self.left = GivenXComs(xcoms)


class _Aloud(list[LogRecord]):
    """A log that is read as it is written. What was printed has been seen."""

    def append(self, record: LogRecord) -> None:
        super().append(record)
        if record.level not in ("stdout", "stderr"):
            print(record, file=sys.__stderr__, flush=True)


def _told_aloud() -> Told:
    return Told(log=_Aloud())
