"""The binary as a service: ready, idle, restarted while a task runs; by the messages it sends a service manager."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Aim, Figure
from benchmarks.forwarder import Forwarder
from tests.system.place import Place, open_place
from tests.system.programs import Program, until

DAY_S = 86400
MIB = 1024 * 1024
SETTLED_S = 10.0
"""After so long an idle agent has done what follows a start."""
DAGS = '''\
"""A task that waits to be let go, and one that says when it began."""

import time
from pathlib import Path

from leasehold import dag, task


@task
def patient(gate: str) -> str:
    print("waiting", flush=True)
    while not Path(gate).exists():
        time.sleep(0.02)
    return "went on"


@dag
def waiting(gate: str):
    patient(gate)
'''
_LIMITS = {"poll": 4.0, "stream": 1.0}


class Service:
    """Starts the agent as systemd does with ``Type=notify``, and stops it by ``ExecStop``."""

    def __init__(self, tree: Path, place: Place, way: str) -> None:
        self._program = str(tree / "edge-agent")
        self._place = place
        self._link = {"poll": "pull", "stream": "push"}[way]
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(str(place.home / "notify"))
        self._notified.settimeout(60)

    def start(self) -> tuple[Program, float]:
        """Return the agent, and after how long (s) it said that it is ready."""
        began = time.perf_counter()
        more = {"NOTIFY_SOCKET": str(self._place.home / "notify"), "LEASEHOLD_AGENT_LINK": self._link}
        agent = self._place.start("agent", self._program, "run", "--state-dir", "bench", more=more)
        while not self._notified.recv(4096).startswith(b"READY=1"):
            pass
        return agent, time.perf_counter() - began

    def stop(self, agent: Program) -> None:
        """Stop it; what runs goes on."""
        self._place.command(self._program, "stop", "--force", "--state-dir", "bench")
        agent.ended()

    def close(self) -> None:
        """Let go of the socket."""
        self._notified.close()


def measure(tree: Path, home: Path, *, way: str, idle_s: float) -> list[Figure]:
    """Measure one way of the link."""
    with _opened(tree, home, way) as (place, service, forwarder):
        starts: list[float] = []
        for _ in range(5):
            agent, took = service.start()
            starts.append(took)
            service.stop(agent)
        agent, _ = service.start()
        note = f"{way}; median of 5, warm: until READY=1"
        ready = Figure(name="ready", value=sorted(starts)[2] * 1000, unit="ms", aim=Aim(value=600), note=note)
        idle = _idle(place, agent, forwarder, way, idle_s)
        return [*([ready] if way == "poll" else []), *idle, *_restarted(place, service, agent, way)]


def _idle(place: Place, agent: Program, forwarder: Forwarder, way: str, idle_s: float) -> list[Figure]:
    until(lambda: place.last_seen("bench"), "the agent says hello")
    time.sleep(SETTLED_S)
    zygote = next(pid for pid in place.processes() if _name(pid) == "host-zygote")
    cpu, count, began = _cpu_s(agent.pid) + _cpu_s(zygote), forwarder.counted, time.monotonic()
    time.sleep(idle_s)
    seconds = time.monotonic() - began
    used = (_cpu_s(agent.pid) + _cpu_s(zygote) - cpu) / seconds * 100
    mib_a_day = (forwarder.counted - count).bytes / seconds * DAY_S / MIB
    note = f"{way}; over {seconds:.0f} s"
    wire = f"{note}, counted before TLS; a token every 10 minutes is not in it"
    figures = [
        Figure(name="idle on the wire", value=mib_a_day, unit="MiB/day", aim=Aim(value=_LIMITS[way]), note=wire),
        Figure(name="idle CPU", value=used, unit="% of a core", aim=Aim(value=0.1), note=f"{note}, agent and zygote"),
    ]
    if way == "poll":
        figures += [
            Figure(name="idle agent, RSS", value=_rss_mb(agent.pid), unit="MB", aim=Aim(value=52)),
            Figure(name="host zygote, RSS", value=_rss_mb(zygote), unit="MB"),
        ]
    return figures


def _restarted(place: Place, service: Service, agent: Program, way: str) -> list[Figure]:
    gate = place.home / "gate"
    run = place.trigger("waiting", gate=str(gate))
    attempt = place.running(run, "patient")
    began = time.perf_counter()
    service.stop(agent)
    service.start()
    took = time.perf_counter() - began
    gate.touch()
    (task,) = place.finished(run)["tasks"]
    if [one["attempt"] for one in task["attempts"]] != [attempt] or task["result"] != "went on":
        raise RuntimeError("the task did not survive the restart")
    return [Figure(name="restart, a task alive", value=took, unit="s", aim=Aim(value=2.5), note=f"{way}; it went on")]


@contextmanager
def _opened(tree: Path, home: Path, way: str) -> Generator[tuple[Place, Service, Forwarder]]:
    home.mkdir()
    with open_place(home) as place:
        forwarder = Forwarder()
        service = Service(tree, place, way)
        try:
            place.serve("--public-url", forwarder.url)
            forwarder.forward_to(place.url)
            place.make_site("site")
            place.deploy("waiting", DAGS)
            token = place.issue_token("site")
            where = ("--name", "bench", "--state-dir", "bench")
            place.command(str(tree / "edge-agent"), "enroll", forwarder.url, "--token-file", token, *where)
            yield place, service, forwarder
        finally:
            service.close()
            forwarder.close()


def _rss_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    (kib,) = re.findall(r"^Rss: +(\d+) kB$", text, re.MULTILINE)
    return int(kib) * 1024 / 1e6


def _cpu_s(pid: int) -> float:
    """Return what a process used itself: utime and stime of proc_pid_stat(5), to a hundredth."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
