"""The laboratory: an API and two agents that reach it over a bad line; it plays a plan, waits for calm, and gathers."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.support.bad_line import BadLine
from tests.support.databases import FRESH
from tests.system.lab.history import History, gather
from tests.system.lab.plan import LINE_FAULTS, Fault, Plan
from tests.system.lab.tasks import SOURCE
from tests.system.place import FINAL, Place, open_place
from tests.system.programs import Program, free_port, until

AGENTS = ("north-1", "north-2")
CALM_S = 100.0
"""The longest it takes from the last fault to rest: a lease that must run out, and what comes after."""
_API_SETTINGS = {
    "LEASEHOLD_API_RENEW_EVERY_S": "1",
    "LEASEHOLD_API_LOG_EVERY_S": "0.2",
    "LEASEHOLD_API_DISCONNECTED_AFTER_S": "5",
}


class Laboratory:
    """The place and its line; programs that were killed are started again."""

    def __init__(self, place: Place, database: str, database_url: str, link: str) -> None:
        self.place = place
        self.database = database
        self._port = free_port()
        self.line = BadLine(self._port)
        self._settings = _API_SETTINGS | {"LEASEHOLD_API_DATABASE_URL": database_url}
        place.env |= {"LEASEHOLD_AGENT_LINK": link}
        self.programs: dict[str, Program] = {}
        self._experiments = 0
        self._known: set[str] = set()

    def open(self, *, api: Mapping[str, str] | None = None, agent: Mapping[str, str] | None = None) -> None:
        """Start everything, with more environment for the API or the agents if wanted."""
        self.start("api", more=api)
        self.place.make_site("north")
        for name in AGENTS:
            self.place.enroll("north", name, url=self.line.url)
        self.place.deploy("lab", SOURCE)
        for name in AGENTS:
            self.start(name, more=agent)

    def start(self, name: str, *, more: Mapping[str, str] | None = None) -> None:
        """Start a program that does not run."""
        if name in self.programs and self.programs[name].is_alive:
            return
        if name == "api":
            flags = ("--public-url", self.line.url)
            self.programs[name] = self.place.serve(*flags, port=self._port, more=self._settings | dict(more or {}))
        else:
            argv = ("edge-agent", "run", "--state-dir", name, "--slots", "4")
            self.programs[name] = self.place.start(name, *argv, more=more)

    def renew_agents(self) -> None:
        """Start the agents anew: one whose link broke twenty times in ten minutes takes no work until it is calm.

        At a site that is right. Here the line is broken on purpose, and experiments follow one another.
        """
        for name in AGENTS:
            if name in self.programs:
                self.programs[name].kill()
            self.start(name)

    def start_armed_api(self, more: Mapping[str, str]) -> None:
        """Start an API that may die before it is healthy."""
        argv = (
            "leasehold-api",
            "serve",
            "--state-dir",
            "api",
            "--port",
            str(self._port),
            "--public-url",
            self.line.url,
        )
        self.programs["api"] = self.place.start("api", *argv, more=self._settings | dict(more))

    def trigger(self, dag: str, records: Path, *, meanwhile: Callable[[], object] = lambda: None) -> str:
        """Start a run, as soon as the API takes it: a request whose answer was lost may have started one as well."""
        started: list[str] = []

        def is_triggered() -> bool:
            with suppress(httpx.HTTPError, AssertionError):
                started.append(self.place.trigger(dag, folder=str(records)))
            if not started:
                meanwhile()
            return bool(started)

        until(is_triggered, f"{dag} is triggered")
        return started[-1]

    def experiment(self, plan: Plan) -> History:
        """Play a plan and return what came of it."""
        self._experiments += 1
        records = self.place.home / "records" / f"{self._experiments}"
        records.mkdir(parents=True)
        self.renew_agents()
        runs = [self.trigger("mixed", records) for _ in range(plan.runs)]
        doomed = self.trigger("cancelled", records)
        began = time.monotonic()
        repairs: list[threading.Timer] = []
        cancel = threading.Timer(plan.cancel_at_s, self._cancel, [doomed])
        cancel.start()
        for fault in plan.faults:
            _wait_until(began + fault.at_s)
            if repair := self.inflict(fault):
                repairs.append(threading.Timer(fault.lasts_s, repair))
                repairs[-1].start()
        for timer in [*repairs, cancel]:
            timer.join()
        self.repair()
        return self.rest([*runs, doomed], records)

    def rest(
        self,
        runs: list[str],
        records: Path,
        *,
        meanwhile: Callable[[], object] = lambda: None,
        patience_s: float = CALM_S,
    ) -> History:
        """Wait until everything has ended, and gather."""

        def is_over() -> bool:
            meanwhile()
            runs.extend(run for run in self._unknown_runs() if run not in runs)
            return all(self._state(run) in FINAL for run in runs)

        until(is_over, "all runs have ended", patience_s=patience_s)
        left = f"{self.place.home}/*/attempts has emptied"
        with suppress(AssertionError):  # The checker will name what is left.
            until(lambda: not list(self.place.home.glob("*/attempts/*")), left, patience_s=CALM_S)
        self._known.update(runs)
        return gather(self.place, runs, records)

    def repair(self) -> None:
        """Everything runs, and the line is good."""
        self.line.behave()
        for kind in ("api", "agent", "host", "zygote", "task"):
            for pid in self.pids(kind):
                _signal(pid, signal.SIGCONT)
        for name in ("api", *AGENTS):
            self.start(name)

    def inflict(self, fault: Fault) -> Callable[[], None] | None:
        """Do what the plan says; return what puts it right again."""
        if fault.does == "line":
            self.line.behave(LINE_FAULTS[fault.what])
            return self.line.behave
        pids = self.pids(fault.what)
        if not pids:
            return None
        pid = pids[fault.which % len(pids)]
        _signal(pid, signal.SIGSTOP if fault.does == "stop" else signal.SIGKILL)
        if fault.does == "stop":
            return lambda: _signal(pid, signal.SIGCONT)
        dead = next((name for name, program in self.programs.items() if program.pid == pid), None)
        if dead is None:
            return None
        self.programs[dead].ended()
        return lambda: self.start(dead)

    def pids(self, kind: str) -> list[int]:
        """Return the processes of a kind: one of those that plans name."""
        ours = sorted(self.place.processes())
        names = {pid: _comm(pid) for pid in ours}
        match kind:
            case "api":
                return [self.programs["api"].pid] if self.programs["api"].is_alive else []
            case "agent":
                return [self.programs[name].pid for name in AGENTS if self.programs[name].is_alive]
            case "host":
                return [pid for pid in ours if names[pid] == "attempt-host"]
            case "zygote":
                return [pid for pid in ours if names[pid] == "host-zygote"]
            case _:
                hosts = {pid for pid in ours if names[pid] == "attempt-host"}
                return [pid for pid in ours if _parent(pid) in hosts]

    def _unknown_runs(self) -> list[str]:
        """Return runs whose trigger was answered into a dead connection; those that would never end are cancelled."""
        with suppress(httpx.HTTPError, AssertionError):
            recent = [run for run in self.place.get("runs")["items"] if run["run"] not in self._known]
            for run in recent:
                if run["dag"] == "cancelled" and run["state"] not in FINAL:
                    self.place.cancel(run["run"])
            return [run["run"] for run in recent]
        return []

    def _state(self, run: str) -> str:
        with suppress(httpx.HTTPError, AssertionError):
            return str(self.place.get(f"runs/{run}")["state"])
        return "unknown"

    def _cancel(self, run: str) -> None:
        def is_cancelled() -> bool:
            with suppress(httpx.HTTPError, AssertionError):
                self.place.cancel(run)
                return True
            return False

        until(is_cancelled, "the run is cancelled")


@contextmanager
def open_laboratory(home: Path, *, database: str = "sqlite", link: str = "pull") -> Generator[Laboratory]:
    """Return a laboratory on a fresh database, not open yet; nothing of it is left afterwards."""
    with FRESH[database]() as url, open_place(home) as place:
        laboratory = Laboratory(place, database, url, link)
        try:
            yield laboratory
        finally:
            for kind in ("api", "agent", "host", "zygote", "task"):
                for pid in laboratory.pids(kind) if laboratory.programs else []:
                    _signal(pid, signal.SIGCONT)
            laboratory.line.behave()
            place.close()
            laboratory.line.close()


def _wait_until(moment: float) -> None:
    threading.Event().wait(max(0.0, moment - time.monotonic()))


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _comm(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0
