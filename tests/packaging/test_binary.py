"""The agent as a binary: it does at a site without any Python what the installed agent does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.packaging.paths import NO_PROGRAMS, ROOT
from tests.system.place import Place, open_place
from tests.system.programs import Program, until

pytestmark = pytest.mark.timeout(300)

FOREIGN = ("httpx", "pydantic", "pydantic_core", "cryptography", "keyring", "apscheduler", "leasehold_agent")
DAGS = '''\
"""What tasks find in a binary agent: the standard library, the SDK, and the site's own environment."""

import os
import time
from multiprocessing import get_context
from pathlib import Path

from leasehold import dag, log, shell, task


@task
def query() -> list[int]:
    import asyncio, smtplib, sqlite3, xml.etree.ElementTree

    with sqlite3.connect(":memory:") as database:
        rows = database.execute("SELECT 1 UNION SELECT 2").fetchall()
    log.info("caf\\u00e9", rows=len(rows))
    return [value for (value,) in rows]


@task
def seek(names: list[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            __import__(name)
        except ModuleNotFoundError as error:
            found[name] = error.msg
    return found


@task
def share_out(numbers: list[int]) -> list[int]:
    with get_context("spawn").Pool(2) as pool:
        return pool.map(abs, [-number for number in numbers])


@task
def surroundings() -> dict[str, str]:
    return dict(os.environ)


@task
def patient(gate: str) -> str:
    print("waiting", flush=True)
    while not Path(gate).exists():
        time.sleep(0.02)
    return "went on"


@dag
def looking_around(names: list[str]):
    numbers = query()
    share_out(numbers)
    seek(names)
    surroundings()
    shell("echo $LD_LIBRARY_PATH", id="loader")
    shell('test -f "$LEASEHOLD_SDK_JS" && "$LEASEHOLD_EDGE_AGENT" task context --field task', id="bindings")


@dag
def waiting(gate: str):
    patient(gate)
'''


@pytest.fixture(scope="module")
def place(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An API, and a site whose agent is the binary; it is enrolled and does not run yet."""
    with open_place(tmp_path_factory.mktemp("place")) as place:
        place.serve()
        place.make_site("north")
        place.deploy("binary", DAGS)
        token = place.issue_token("north")
        place.command(str(binary / "edge-agent"), "enroll", place.url, "--token-file", token, "--state-dir", "north")
        yield place


@pytest.fixture
def agent(binary: Path, place: Place) -> Iterator[Program]:
    program = start(binary, place)
    yield program
    program.terminate()
    program.ended()


def start(binary: Path, place: Place) -> Program:
    argv = (str(binary / "edge-agent"), "run", "--state-dir", "north", "--slots", "4")
    program = place.start("agent", *argv, more={**NO_PROGRAMS, "LD_LIBRARY_PATH": "/opt/site/lib"})
    until(lambda: not program.is_alive or (place.home / "north/agent.sock").exists(), "the agent is up")
    return program


def python(binary: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(binary / "edge-python"), *arguments],
        env={**NO_PROGRAMS, **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_it_knows_its_version_without_any_python(binary: Path) -> None:
    command = [str(binary / "edge-agent"), "version", "--json"]

    facts = json.loads(subprocess.check_output(command, env=NO_PROGRAMS, timeout=30))

    assert facts["version"] == version("leasehold-agent")


def test_the_keyring_is_there_to_be_asked(binary: Path, place: Place) -> None:
    """There is no key ring here; that its back end says so proves that it was loaded, with all that it needs."""
    token = place.issue_token("north")
    where = ("--state-dir", "ringed", "--key-store", "keyring")
    no_bus = f"unix:path={place.home}/no-bus"

    refused = subprocess.run(
        [str(binary / "edge-agent"), "enroll", place.url, "--token-file", token, *where],
        env={**NO_PROGRAMS, "DBUS_SESSION_BUS_ADDRESS": no_bus, "HOME": str(place.home)},
        cwd=place.home,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert refused.returncode == 8
    assert "the keyring keyring.backends.SecretService.Keyring refused" in refused.stderr


def test_a_dag_runs_with_the_standard_library_and_nothing_of_the_agent(agent: Program, place: Place) -> None:
    run = place.run_dag("looking_around", names=list(FOREIGN))

    results = {task["task"]: task["result"] for task in run["tasks"]}
    assert run["state"] == "success", run
    assert results["query"] == results["share_out"] == [1, 2]
    assert results["seek"] == {name: f"No module named {name!r}" for name in FOREIGN}
    assert results["loader"] == results["surroundings"]["LD_LIBRARY_PATH"] == "/opt/site/lib"
    assert results["bindings"] == "bindings"
    assert not [name for name in results["surroundings"] if name.startswith(("_PYI", "LD_LIBRARY_PATH_"))]
    attempts = {task["task"]: task["attempts"][-1]["attempt"] for task in run["tasks"]}
    assert "café" in place.log_of(attempts["query"]).decode()


def test_a_task_goes_on_when_the_agent_is_killed_and_the_next_one_takes_over(
    binary: Path, place: Place, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    killed = start(binary, place)
    run = place.trigger("waiting", gate=str(gate))
    attempt = place.running(run, "patient")

    killed.kill()
    next_one = start(binary, place)
    gate.touch()
    ended = place.finished(run)

    (task,) = ended["tasks"]
    assert [one["attempt"] for one in task["attempts"]] == [attempt]
    assert (ended["state"], task["result"]) == ("success", "went on")
    next_one.terminate()
    assert next_one.ended() == 0


def test_every_module_of_the_standard_library_can_be_imported(binary: Path) -> None:
    code = "import sys; from importlib import import_module; [import_module(name) for name in sys.argv[1:]]"
    sys.path.insert(0, str(ROOT / "packaging"))
    try:
        from standard_library import modules
    finally:
        sys.path.pop(0)
    names = [name for name in modules() if "." not in name]

    ended = python(binary, "-I", "-S", "-W", "ignore", "-c", code, *names)

    assert len(names) > 200
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_interpreter_ends_as_python_ends(binary: Path) -> None:
    failed = python(binary, "-I", "-S", "-X", "utf8", "-c", "def f(): 1 / 0\nf()")

    assert python(binary, "-c", "import sys; sys.exit(3)").returncode == 3
    assert python(binary, "-c", "import sys; print(sys.argv[1:])", "-c", "x").stdout == "['-c', 'x']\n"
    assert python(binary, "-c", "import sys; sys.stdout.close()").stderr == ""
    assert failed.returncode == 1
    assert failed.stderr.splitlines() == [
        "Traceback (most recent call last):",
        '  File "<string>", line 2, in <module>',
        '  File "<string>", line 1, in f',
        "ZeroDivisionError: division by zero",
    ]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing_are_workers(binary: Path, tmp_path: Path, method: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing\ndef double(number): return 2 * number\n"
        f"if __name__ == '__main__': print(multiprocessing.get_context({method!r}).Pool(2).map(double, [1, 2]))\n"
    )

    ended = python(binary, str(script), LD_LIBRARY_PATH=os.devnull)

    assert (ended.stdout, ended.stderr) == ("[2, 4]\n", "")


def test_no_folder_of_the_building_machine_is_noted_beside_it(binary: Path) -> None:
    files = [file for file in binary.rglob("*") if ".dist-info" in str(file.parent)]

    assert {file.name for file in files} <= {"METADATA", "entry_points.txt"}
    assert not [file for file in binary.rglob("*.pyc") if str(ROOT).encode() in file.read_bytes()]
