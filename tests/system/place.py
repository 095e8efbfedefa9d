"""One place with real processes: an API, sites with agents, and the commands that people type. It leaves none behind.

Everything that is started has its working directory below the place's home, and so has whatever it starts in turn
(attempt hosts, tasks). That is how the end finds them all, whoever their parent is by then.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.system.programs import PATIENCE_S, GaveUpError, Program, free_port, until

COMMANDS = Path(sys.executable).parent
FINAL = {"success", "failed", "cancelled"}


class Place:
    """An API with its sites and agents, in one directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.programs: list[Program] = []
        self.url = ""
        self.client = httpx.Client(trust_env=False, timeout=PATIENCE_S)
        self.env = environment(home)

    # Programs that stay.

    def serve(
        self, *flags: str, name: str = "api", state: str = "api", port: int = 0, more: Mapping[str, str] | None = None
    ) -> Program:
        """Start an API and wait until it is healthy; the first one is the place's own."""
        port = port or free_port()
        url = f"http://127.0.0.1:{port}"
        argv = ("leasehold-api", "serve", "--state-dir", state, "--port", str(port), *flags)
        program = self.start(name, *argv, more=more)
        self.wait_until_healthy(program, url)
        if not self.url:
            self.url = url
            token = (self.home / state / "bootstrap.token").read_text().strip()
            self.client = httpx.Client(
                base_url=url, trust_env=False, timeout=PATIENCE_S, headers={"Authorization": f"Bearer {token}"}
            )
            self.env |= {"LEASEHOLD_URL": url, "LEASEHOLD_TOKEN_FILE": str(self.home / state / "bootstrap.token")}
        return program

    def wait_until_healthy(self, program: Program, url: str) -> None:
        """Wait until an API takes requests."""

        # Certificates are of no use here, and reading the system's takes longer than the question.
        with httpx.Client(trust_env=False, verify=False) as client:

            def is_healthy() -> bool:
                assert program.is_alive, program.said()
                with suppress(httpx.TransportError):
                    return client.get(f"{url}/healthz").status_code == 200
                return False

            until(is_healthy, f"{program.name} is healthy")

    def start(self, name: str, *argv: str, more: Mapping[str, str] | None = None) -> Program:
        """Start a program that stays."""
        folder = self.home / "logs"
        folder.mkdir(exist_ok=True)
        command = [str(COMMANDS / argv[0]), *argv[1:]]
        program = Program(name, command, log=folder / f"{name}.log", env=self.env | dict(more or {}), cwd=self.home)
        self.programs.append(program)
        return program

    def start_agent(
        self, name: str, *flags: str, more: Mapping[str, str] | None = None, command: str = "edge-agent"
    ) -> Program:
        """Start the agent whose state directory is ``name``; it is connected when this returns."""
        before = self.last_seen(name)
        program = self.start(name, command, "run", "--state-dir", name, *flags, more=more)

        def is_connected() -> bool:
            assert program.is_alive, program.said()
            return self.last_seen(name) != before

        until(is_connected, f"agent {name} says hello")
        return program

    def last_seen(self, name: str) -> object:
        """Return when the API last heard of the agent ``name``."""
        agents = self.get("agents")["items"]
        return next((agent["last_seen_at"] for agent in agents if agent["name"] == name), None)

    # Commands that end.

    def command(self, *argv: str, stdin: str | None = None, code: int = 0) -> str:
        """Run one command to its end and return what it wrote; it must end with ``code``."""
        done = subprocess.run(
            [str(COMMANDS / argv[0]), *argv[1:]],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.env,
            cwd=self.home,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == code, f"{argv} ended with {done.returncode}, not {code}:\n{done.stdout}"
        return done.stdout

    def make_site(self, site: str) -> None:
        """Make a site; tasks may need it by its label ``place``."""
        self._send("PUT", f"sites/{site}", {"labels": {"place": site}})

    def issue_token(self, site: str) -> str:
        """Issue an enrolment token into a file and return the file's name."""
        file = f"{site}-{time.monotonic_ns()}.token"
        issued = self._send("POST", f"sites/{site}/enrolment-tokens", {})
        (self.home / file).write_text(issued["token"])
        return file

    def _send(self, method: str, path: str, body: dict[str, object]) -> dict[str, Any]:
        """Do what a command would, without the half second that one takes to start."""
        answer = self.client.request(method, f"/v1/teams/default/{path}", json=body)
        assert answer.is_success, answer.text
        sent: dict[str, Any] = answer.json()
        return sent

    def enroll(self, site: str, name: str, *, url: str | None = None) -> None:
        """Enrol an agent of a site; its state directory has its name."""
        token = self.issue_token(site)
        where = ("--name", name, "--state-dir", name)
        self.command("edge-agent", "enroll", url or self.url, "--token-file", token, *where)

    def deploy(self, name: str, source: str) -> None:
        """Deploy a DAG file."""
        file = self.home / f"{name}.py"
        file.write_text(source, encoding="utf-8")
        self.command("leasehold", "deploy", str(file))

    # What the API says.

    def get(self, path: str) -> Any:
        """Return a resource of the default team."""
        answer = self.client.get(f"/v1/teams/default/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def trigger(self, dag: str, **params: object) -> str:
        """Start a run and return its id."""
        answer = self.client.post(f"/v1/teams/default/dags/{dag}/runs", json={"params": params})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["run"])

    def cancel(self, run: str) -> None:
        """Cancel a run."""
        answer = self.client.post(f"/v1/teams/default/runs/{run}/cancel", json={"reason": "a test"})
        assert answer.status_code == 200, answer.text

    def finished(self, run: str) -> dict[str, Any]:
        """Return a run once it has ended and everything its attempts wrote has arrived."""

        def look() -> dict[str, Any] | None:
            detail: dict[str, Any] = self.get(f"runs/{run}")
            attempts = [attempt for task in detail["tasks"] for attempt in task["attempts"]]
            all_in = all(attempt["log_complete"] for attempt in attempts if attempt["ending"] != "lost")
            return detail if detail["state"] in FINAL and all_in else None

        return until(look, f"run {run} has ended")

    def run_dag(self, dag: str, **params: object) -> dict[str, Any]:
        """Run a DAG to its end."""
        return self.finished(self.trigger(dag, **params))

    def running(self, run: str, task: str) -> str:
        """Return the attempt of a task once it has begun, seen by its first line of log."""

        def look() -> str | None:
            for instance in self.get(f"runs/{run}")["tasks"]:
                if instance["task"] == task and instance["attempts"]:
                    attempt = str(instance["attempts"][-1]["attempt"])
                    return attempt if self.log_of(attempt) else None
            return None

        return until(look, f"{task} of run {run} has written something")

    def log_of(self, attempt: str) -> bytes:
        """Return what the API has of an attempt's log."""
        text, offset = bytearray(), 0
        while True:
            answer = self.client.get(
                f"/v1/teams/default/attempts/{attempt}/log", params={"offset": offset, "wait_s": 0}
            )
            assert answer.status_code == 200, answer.text
            text += answer.content
            if not answer.content:
                return bytes(text)
            offset = int(answer.headers["Upload-Offset"])

    # The end.

    def processes(self) -> list[int]:
        """Return every process of this place, whoever started it."""
        return [pid for pid, cwd in _working_directories() if cwd == str(self.home) or cwd.startswith(f"{self.home}/")]

    def close(self) -> None:
        """End everything.

        Raises:
            GaveUpError: if a process had to be killed: nothing may outlive its program.
        """
        self.client.close()
        _end([program for program in self.programs if not program.name.startswith("api")])
        _end([program for program in self.programs if program.name.startswith("api")])
        with suppress(GaveUpError):
            until(lambda: not self.processes(), "all processes have ended", patience_s=10)
        left = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in self.processes()}
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for program in self.programs:
            program.ended()
        if left:
            raise GaveUpError(f"these outlived their programs: {left}")


def _end(programs: Sequence[Program]) -> None:
    """Ask programs to end; the second time an agent cancels what it still runs."""
    for patience_s in (10, 5):
        for program in programs:
            program.terminate()
        with suppress(GaveUpError):
            until(lambda: not any(program.is_alive for program in programs), "they end", patience_s=patience_s)
            return


@contextmanager
def open_place(home: Path) -> Generator[Place]:
    """Return a place, and end everything in it however the test ends."""
    place = Place(home)
    try:
        yield place
    finally:
        place.close()


def environment(home: Path) -> dict[str, str]:
    """Return the environment of every command: nobody's sign-in but the place's own."""
    dropped = re.compile(r"LEASEHOLD_|PYTHONDONTWRITEBYTECODE$|PYTEST_|COV_")
    kept = {name: value for name, value in os.environ.items() if not dropped.match(name)}
    return kept | {
        "LEASEHOLD_CONFIG_DIR": str(home / "cli"),
        "LEASEHOLD_TOKEN_STORE": "file",
        "LEASEHOLD_AGENT_KEY_STORE": "file",
        "LEASEHOLD_AGENT_CONTAINER_ENGINE": "none",  # asking the machine's own at every start takes time
        "NO_PROXY": "127.0.0.1",
        "COLUMNS": "200",
    }


def _working_directories() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                yield int(entry.name), str((entry / "cwd").readlink()).removesuffix(" (deleted)")
