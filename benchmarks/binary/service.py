"""The binary as a service manager has it: started and stopped, by the messages that it sends to one."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.forwarder import Forwarder
from tests.support.patient_dag import DAG
from tests.system.place import Place, open_place
from tests.system.programs import Program

STATE = "bench"
_LINKS = {"poll": "pull", "stream": "push"}


class Service:
    """Starts the agent as systemd does with ``Type=notify``, and stops it by ``ExecStop``."""

    def __init__(self, tree: Path, place: Place, way: str) -> None:
        self._program = str(tree / "edge-agent")
        self._place = place
        self._link = _LINKS[way]
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(str(place.home / "notify"))
        self._notified.settimeout(60)

    def start(self) -> tuple[Program, float]:
        """Return the agent, and after how long (s) it said that it is ready."""
        began = time.perf_counter()
        more = {"NOTIFY_SOCKET": str(self._place.home / "notify"), "LEASEHOLD_AGENT_LINK": self._link}
        agent = self._place.start("agent", self._program, "run", "--state-dir", STATE, more=more)
        while not self._notified.recv(4096).startswith(b"READY=1"):
            pass
        return agent, time.perf_counter() - began

    def stop(self, agent: Program) -> None:
        """Stop it; what runs goes on."""
        self.command("stop", "--force")
        agent.ended()

    def command(self, *words: str) -> None:
        """Run one of the agent's commands."""
        self._place.command(self._program, *words, "--state-dir", STATE)

    def close(self) -> None:
        """Let go of the socket."""
        self._notified.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place with one enrolled agent that does not run yet; what it says to the API is counted."""

    place: Place
    service: Service
    forwarder: Forwarder


@contextmanager
def open_site(tree: Path, home: Path, *, way: str = "poll") -> Generator[Site]:
    """Start an API, and enrol the binary as an agent of it."""
    home.mkdir()
    with open_place(home) as place:
        forwarder = Forwarder()
        service = Service(tree, place, way)
        try:
            place.serve("--public-url", forwarder.url)
            forwarder.forward_to(place.url)
            place.make_site("site")
            place.deploy("waiting", DAG)
            token = place.issue_token("site")
            where = ("--name", STATE, "--state-dir", STATE)
            place.command(str(tree / "edge-agent"), "enroll", forwarder.url, "--token-file", token, *where)
            yield Site(place=place, service=service, forwarder=forwarder)
        finally:
            service.close()
            forwarder.close()


def cpu_s(pid: int) -> float:
    """Return what a process used itself: utime and stime of proc_pid_stat(5), to a hundredth."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def process_named(place: Place, name: str) -> int:
    """Return the process of a place that calls itself so."""
    return next(pid for pid in place.processes() if _name(pid) == name)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
