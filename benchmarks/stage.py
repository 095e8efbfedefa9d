"""What the figures are measured on: a real API and a real agent with fresh state, started with the public commands."""

from __future__ import annotations

import compileall
import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

from benchmarks.forwarder import Forwarder
from tests.system.place import Place, open_place
from tests.system.programs import Program, until

SLOTS = 8
WATCH_S = 0.25
DAGS = '''\
"""DAGs that do nothing, in two ways, and say when."""

import time

from leasehold import dag, program, task


@task
def now() -> int:
    return time.time_ns()


@task
def nothing() -> None:
    pass


@dag
def first_python() -> None:
    now()


@dag
def first_fresh() -> None:
    now.override(isolation="fresh")()


@dag
def first_program() -> None:
    program(["date", "+%s%N"], id="now")


@dag
def fan_out() -> None:
    for number in range({tasks}):
        nothing.override(id=f"nothing_{{number}}")()


@dag
def single() -> None:
    nothing()
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the processes used since they began."""

    api_cpu_s: float
    agent_cpu_s: float
    zygote_cpu_s: float
    """With all hosts and tasks that ended, and the processes that tasks are forked from."""

    @property
    def total_s(self) -> float:
        """All of it."""
        return self.api_cpu_s + self.agent_cpu_s + self.zygote_cpu_s


class Stage:
    """One API and one warm agent."""

    def __init__(self, place: Place, api: Program, agent: Program, forwarder: Forwarder | None, tasks: int) -> None:
        self.place = place
        self.api = api
        self.agent = agent
        self.forwarder = forwarder
        self.tasks = tasks

    @property
    def zygote(self) -> int:
        """The pid of the host zygote; there is one since the first task ran."""
        (zygote,) = (pid for pid in self._others() if _name(pid) == "host-zygote")
        return zygote

    @property
    def task_zygotes(self) -> list[int]:
        """The pids of the processes that tasks are forked from."""
        return [pid for pid in self._others() if _name(pid) == "task-zygote"]

    def settle(self) -> None:
        """Wait until nothing is left of the tasks that ran."""
        staying = {"host-zygote", "task-zygote"}
        until(lambda: {_name(pid) for pid in self._others()} <= staying, "all attempt hosts have ended")

    def _others(self) -> set[int]:
        return set(self.place.processes()) - {self.api.pid, self.agent.pid}

    def timed_run(self, dag: str) -> tuple[int, dict[str, object]]:
        """Run a DAG; return when it was asked for (ns since the epoch) and the run that came of it.

        It is looked at rarely, and not at once: an answer about a run of 100 tasks costs the API as much as some of the
        tasks, and asked at once it competes with the first of them for the same processors.
        """
        asked = time.time_ns()
        run = self.place.trigger(dag)
        time.sleep(WATCH_S)
        until(lambda: self.place.get("runs?limit=1")["items"][0]["ended_at"], "the run has ended", pause_s=WATCH_S)
        return asked, self.place.finished(run)

    def received(self, attempt: str) -> int:
        """Return when the agent received the last attempt's lease (ns since the epoch); the stage keeps attempts."""
        lease = json.loads((self.place.home / "bench-1" / "attempts" / attempt / "lease.json").read_bytes())
        return int(datetime.fromisoformat(lease["received_at"]).timestamp() * 1e9)

    def usage(self) -> Usage:
        """Return the processor time used so far; exact when everything has settled."""
        self.settle()
        return Usage(
            api_cpu_s=_cpu_s(self.api.pid),
            agent_cpu_s=_cpu_s(self.agent.pid),
            zygote_cpu_s=sum(map(_cpu_s, [self.zygote, *self.task_zygotes])),
        )


@contextmanager
def open_stage(
    home: Path,
    *,
    tasks: int = 100,
    counts_bytes: bool = False,
    keeps_attempts: bool = False,
    link: str = "pull",
    command: str = "edge-agent",
) -> Generator[Stage]:
    """Start everything, with a forwarder that counts between agent and API if asked, and warm it up.

    Args:
        command: the agent's program.
    """
    _compile()
    home.mkdir()
    with open_place(home) as place:
        forwarder = Forwarder() if counts_bytes else None
        # The agent's proofs of possession name the address it calls: the API must know itself by that one.
        flags = ("--public-url", forwarder.url) if forwarder else ()
        api = place.serve(*flags)
        if forwarder:
            forwarder.forward_to(place.url)
        place.make_site("bench")
        place.enroll("bench", "bench-1", url=forwarder.url if forwarder else None)
        place.env |= {"LEASEHOLD_AGENT_LINK": link}
        kept = {"LEASEHOLD_AGENT_KEEP_ATTEMPTS": "1"} if keeps_attempts else {}
        agent = place.start_agent("bench-1", "--slots", str(SLOTS), more=kept, command=command)
        place.deploy("bench", DAGS.format(tasks=tasks))
        stage = Stage(place, api, agent, forwarder, tasks)
        for dag in ("first_python", "first_program", "single"):
            place.run_dag(dag)
        stage.settle()
        try:
            yield stage
        finally:
            if forwarder:
                forwarder.close()


@cache
def _compile() -> None:
    """Compile the product's modules, as an installation does: no figure shall include that."""
    for package in ("leasehold", "leasehold_protocol", "leasehold_api", "leasehold_agent"):
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            with redirect_stdout(StringIO()):
                compileall.compile_dir(folder, quiet=2)


def _cpu_s(pid: int) -> float:
    """Return what a process and its waited-for children used: utime, stime, cutime and cstime of proc_pid_stat(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _name(pid: int) -> str:
    """Return what ``ps`` shows; nothing when the process is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
