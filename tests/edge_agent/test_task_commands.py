"""``edge-agent task`` beyond what the conformance suite says: what it prints, its exit codes, how little it loads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasehold_protocol.v1.context import ConnectionValue
from tests.support.task_server import TaskServer, serve_task

COMMAND = (str(Path(sys.executable).parent / "edge-agent"), "task")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TaskServer]:
    with serve_task(tmp_path) as server:
        server.connections["erp"] = ConnectionValue(
            id="erp", conn_type="http", host="erp.lan", password="open sesame", extra={"hosts": ["a", "b"]}
        )
        yield server


def run(server: TaskServer | None, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("LEASEHOLD_")}
    env |= server.environment if server else {}
    return subprocess.run([*COMMAND, *argv], env=env, input=stdin, capture_output=True, text=True, check=False)


def test_it_loads_little() -> None:
    code = (
        "import sys; from leasehold_agent.cli import main\n"
        "try: main(['task', 'context'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    )
    env = {"PATH": os.environ["PATH"]}

    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)

    loaded = set(done.stdout.split())
    assert "leasehold_agent.task_commands.main" in loaded
    assert not loaded & {"pydantic", "httpx", "asyncio", "cryptography", "leasehold_protocol", "http.client"}


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (("connection", "get", "erp", "--field", "password"), "open sesame\n"),
        (("connection", "get", "erp", "--field", "password", "--json"), '"open sesame"\n'),
        (("connection", "get", "erp", "--field", "extra.hosts.1"), "b\n"),
        (("connection", "get", "erp", "--field", "extra"), '{"hosts":["a","b"]}\n'),
    ],
)
def test_a_field_is_printed_alone(server: TaskServer, argv: tuple[str, ...], shown: str) -> None:
    done = run(server, *argv)

    assert (done.returncode, done.stdout, done.stderr) == (0, shown, "")


@pytest.mark.parametrize(
    ("argv", "stdin", "code", "says"),
    [
        (("connection", "get", "other"), "", 20, "is not declared"),
        (("connection", "get", "erp", "--field", "nothing"), "", 22, "there is no field 'nothing'"),
        (("result", "{", "--json"), "", 24, "is not JSON"),
        (("result", "NaN", "--json"), "", 24, "NaN is no JSON number"),
        (("metric", "gauge", "level", "high"), "", 24, "is no number"),
        (("metric", "gauge", "level", "inf"), "", 24, "is no number that JSON has"),
        (("retry", "--after", "soon"), "", 2, "is not a duration"),
        (("metric", "gauge"), "", 2, "required"),
        (("result", "1", "2"), "", 2, "unrecognized arguments: 2"),
        (("mask", "open sesame"), "", 2, "unrecognized arguments"),
        (("log", "--field", "plant", "text"), "", 2, "NAME=TEXT"),
    ],
)
def test_mistakes_have_an_exit_code_and_a_cure(
    server: TaskServer, argv: tuple[str, ...], stdin: str, code: int, says: str
) -> None:
    done = run(server, *argv, stdin=stdin)

    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_values_come_from_arguments_or_from_standard_input(server: TaskServer) -> None:
    for argv, stdin in (
        (("xcom", "push", "a", "text"), ""),
        (("xcom", "push", "b"), "two\nlines\n"),
        (("xcom", "push", "c", "--json", "3"), ""),
        (("xcom", "push", "d", "-", "--json"), '{"x": [1]}'),
    ):
        assert run(server, *argv, stdin=stdin).returncode == 0

    assert server.xcoms == {"a": "text", "b": "two\nlines", "c": 3, "d": {"x": [1]}}


def test_a_secret_to_mask_is_read_from_standard_input(server: TaskServer) -> None:
    assert run(server, "mask", stdin="open sesame\n").returncode == 0
    assert server.masks == ["open sesame"]


def test_without_a_task_or_its_host_it_says_so(server: TaskServer, tmp_path: Path) -> None:
    nobody = run(None, "context")
    server.url = f"http+unix://{str(tmp_path / 'gone.sock').replace('/', '%2F')}"
    gone = run(server, "context")

    assert (nobody.returncode, gone.returncode) == (25, 23)
    assert "no task is running here" in nobody.stderr
    assert "can't be reached" in gone.stderr


@pytest.mark.parametrize("argv", [("--help",), ("xcom", "push", "--help"), ("retry", "--help")])
def test_help_is_there(argv: tuple[str, ...]) -> None:
    done = run(None, *argv)

    assert done.returncode == 0
    assert "usage: edge-agent task" in done.stdout
