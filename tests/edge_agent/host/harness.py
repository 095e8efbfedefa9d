"""Real zygotes and hosts in temporary directories, driven as the agent and the task drive them."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

from leasehold_agent.host.spawn import zygote_command, zygote_environment
from leasehold_agent.host.warm.settings import WarmSettings
from leasehold_protocol.v1.leases import Ending, Input, Lease, RunFacts
from leasehold_protocol.v1.manifest import LiteralValue, Needs, ProgramWork, ResultFrom, TaskEntry, Work
from leasehold_protocol.v1.waiting import Earlier, SettledWait, WaitVerdict

WAIT_S = 20.0
PATIENCE_S = 3600.0

TALKING = 'printf "%s %s\\n" "$LEASEHOLD_TASK_URL" "$LEASEHOLD_TASK_SECRET" > hello; read code < go; exit "$code"'
"""A task that says where its socket is, and ends when it is told how."""


def _settled(key: str, verdict: WaitVerdict, value: Any = None) -> SettledWait:
    return SettledWait(key=key, verdict=verdict, value=value, at=datetime(2026, 11, 22, tzinfo=UTC))


EARLIER = Earlier(
    state_keys=1,
    waits=[
        _settled(key, verdict, value)
        for event, verdict, value in (
            ("opened", WaitVerdict.CAME, {"tons": 3}),
            ("never", WaitVerdict.TIMED_OUT, None),
        )
        for key in (f"event:{event}", f"event:{event}:1")
    ],
)
"""What came before: a value that was kept, an event that came, and one that did not."""


def shell(line: str, **fields: Any) -> ProgramWork:
    return ProgramWork(argv=[LiteralValue(value=line)], shell=True, **fields)


def lease(
    work: Work,
    *,
    timeout_s: float | None = None,
    inputs: list[Input] | None = None,
    connections: Sequence[str] = ("plant_db",),
    variables: Sequence[str] = ("limits/upper",),
    earlier: Earlier | None = EARLIER,
    downstream: list[str] | None = None,
    team: str = "default",
    attempt: str = "ti-1.1",
    **declared: Any,
) -> Lease:
    """A lease as the API hands it out."""
    task = TaskEntry(
        id="read_sensors",
        work=work,
        upstream=["collect"],
        needs=Needs(connections=list(connections)),
        variables=list(variables),
        timeout_s=timeout_s,
        **declared,
    )
    run = RunFacts(
        run="run-1",
        dag="sensor_report",
        dag_version=1,
        team=team,
        params={"day": "2026-11-22"},
        logical_date=datetime(2026, 11, 22, tzinfo=UTC),
    )
    return Lease(
        attempt=attempt,
        task_instance="ti-1",
        epoch=1,
        try_number=1,
        length_s=300,
        run=run,
        task=task,
        inputs=inputs or [],
        task_token="not-written",
        task_token_expires_in_s=600,
        earlier=earlier,
        downstream=None if earlier is None else (downstream or ["report"]),
        most_file_bytes=16 * 2**20,
    )


class Zygote:
    """A zygote, and the hosts it made."""

    def __init__(self, warm: WarmSettings | None = None) -> None:
        self.notes: list[str] = []
        self.team = "default"
        self.process = subprocess.Popen(
            zygote_command(warm),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=zygote_environment({**os.environ, "LEASEHOLD_AGENT_TOKEN": "enr_secret"}),
            start_new_session=True,
        )

    def ask(self, line: bytes) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        """Return the next answer; what it says unasked is kept."""
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], WAIT_S)[0], "the zygote does not answer"
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        if "note" in answer:
            self.notes.append(answer["note"])
            return self._hear()
        return answer

    def start(self, directory: Path) -> dict[str, Any]:
        return self.ask(json.dumps({"attempt_dir": str(directory), "team": self.team}).encode())

    def close(self) -> None:
        """Let it go; it ends with its last host."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class Attempt:
    """One attempt directory and its host."""

    def __init__(self, path: Path, zygote: Zygote) -> None:
        self.path = path
        self.zygote = zygote
        self.pid = 0
        self._fds: list[int] = []
        self.work = path / "work"
        self.work.mkdir(parents=True)

    def start(
        self,
        work: Work,
        *,
        deadline_s: float = PATIENCE_S,
        limits: Mapping[str, Any] | None = None,
        runtime: Mapping[str, str] | None = None,
        bundle_dir: Path | None = None,
        **fields: Any,
    ) -> Attempt:
        """Write ``lease.json`` as the agent does, and start the host."""
        written = lease(work, **fields).model_dump(mode="json", by_alias=True, exclude={"task_token"})
        written |= {
            "received_at": "2026-11-22T06:00:00Z",
            "deadline_boottime_s": boottime() + deadline_s,
            "bundle_dir": bundle_dir and str(bundle_dir),
            "runtime": dict(runtime or {}),
            "limits": dict(limits or {"log_bytes": None}),
        }
        (self.path / "lease.json").write_text(json.dumps(written))
        return self.start_host()

    def start_host(self) -> Attempt:
        answer = self.zygote.start(self.path)
        assert "pid" in answer, answer
        self.pid = answer["pid"]
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            # It ended before we looked: this is as readable as the pidfd of a process that ended.
            self._pidfd, other_end = os.pipe()
            os.close(other_end)
        self._fds.append(self._pidfd)
        return self

    def fifo(self, name: str) -> int:
        """Make a named pipe in the task's working directory, open at this end: nobody blocks on opening it."""
        os.mkfifo(self.work / name)
        fd = os.open(self.work / name, os.O_RDWR)
        self._fds.append(fd)
        return fd

    def talking(self, line: str = TALKING, *, result: ResultFrom = ResultFrom.LAST_LINE, **fields: Any) -> Task:
        """Start a task that waits to be told how to end; return it as its requests see the host."""
        hello, go = self.fifo("hello"), self.fifo("go")
        self.start(shell(line, result=result), **fields)
        url, secret = read_line(hello).split()
        return Task(unquote(url.removeprefix("http+unix://")), secret, lambda code: os.write(go, b"%d\n" % code))

    def wait(self, *, patience_s: float = WAIT_S) -> dict[str, Any]:
        """Wait until the host is done with it and return the ending, checked against the protocol."""
        end = time.monotonic() + patience_s
        while not self.lock_is_free():  # a spare host lives on without it
            assert time.monotonic() < end, "the host does not end"
            select.select([self._pidfd], [], [], 0.002)
        ending: dict[str, Any] = json.loads((self.path / "ending.json").read_bytes())
        Ending.model_validate(ending)
        return ending

    def wait_gone(self) -> None:
        assert select.select([self._pidfd], [], [], WAIT_S)[0], "the host does not end"

    @property
    def log(self) -> str:
        return (self.path / "output.log").read_bytes().decode()

    def texts(self, source: str) -> list[str]:
        """The text of every log line of ``source``."""
        parts = [line.split(" ", 2) for line in self.log.splitlines()]
        return [text for _, found, text in parts if found == source]

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.path / name).read_text().splitlines()]

    def xcom(self, key: str) -> Any:
        last = [entry for entry in self.lines("xcoms/index.ndjson") if entry["key"] == key][-1]
        return json.loads((self.path / "xcoms" / last["file"]).read_bytes())

    def control(self) -> Agent:
        return Agent(self.path / "host.sock")

    def lock_is_free(self) -> bool:
        with (self.path / "host.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    def clean_up(self) -> None:
        """End a host that a failed test left behind; whoever is above it kills its tree."""
        if self.pid and not select.select([self._pidfd], [], [], 0)[0]:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)
            if not select.select([self._pidfd], [], [], WAIT_S)[0]:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        for fd in self._fds:
            os.close(fd)


class Agent:
    """The agent's end of ``host.sock``."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(WAIT_S)
        try:
            with reachable(path) as address:
                self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise
        self._lines = self._socket.makefile("rb")

    def hear(self) -> dict[str, Any] | None:
        line = self._lines.readline()
        return json.loads(line) if line else None

    def hear_until(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while (message := self.hear()) is not None:
            if fits(message):
                return message
        raise AssertionError("the host closed the connection first")

    def next_ask(self) -> dict[str, Any]:
        return self.hear_until(lambda message: "ask" in message)

    def say(self, **message: Any) -> None:
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def say_raw(self, line: bytes) -> None:
        self._socket.sendall(line)

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Task:
    """The task's end of ``task.sock``."""

    def __init__(self, path: str, secret: str, end: Callable[[int], object]) -> None:
        self.path = path
        self.secret = secret
        self.end = end

    def raw(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(WAIT_S)
        connection.connect(self.path)
        return connection

    def request(
        self, method: str, path: str, body: object = None, *, data: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("task")
        connection.sock = self.raw()
        sent = data if data is not None else None if body is None else json.dumps(body).encode()
        try:
            connection.request(
                method, path, sent, headers={"Authorization": f"Bearer {self.secret}", **(headers or {})}
            )
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read_line(fd: int) -> str:
    """Read one line from a pipe, for a bounded time."""
    text = b""
    while not text.endswith(b"\n"):
        assert select.select([fd], [], [], WAIT_S)[0], f"nothing came after {text!r}"
        text += os.read(fd, 4096)
    return text.decode()


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A path that fits into a socket address, however deep the directory lies."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def is_alive(pid: int) -> bool:
    """False for the dead that nobody has waited for, too."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_dead(pid: int) -> None:
    """Wait for a process that is not ours."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([fd], [], [], WAIT_S)[0], f"process {pid} is still there"
    finally:
        os.close(fd)
