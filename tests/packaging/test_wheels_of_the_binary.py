"""The binary on a machine without any Python, and without packs: it unzips the wheels that a DAG carries."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leasehold_agent.environments.pythons import interpreters
from tests.packaging.paths import NO_PROGRAMS
from tests.support.wheels import installed_wheel, pack_wheel
from tests.system.place import Place, open_place
from tests.system.programs import until

CARRIES = """\
# /// script
# requires-python = ">=3.11"
# dependencies = ["colours", "markupsafe"]
# [tool.leasehold]
# wheels = true
# find-links = ["made"]
# no-index = true
# ///
from leasehold import dag, task


@task
def work() -> None:
    import multiprocessing
    import subprocess
    import sys

    import colours
    import markupsafe._speedups

    code = "import colours, sys; print(colours.VERSION, sys.executable)"
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        spawned = pool.map(colours.mix, ["red"])
    print({
        "started": subprocess.check_output([sys.executable, "-c", code], text=True).split(),
        "spawned": spawned,
        "compiled": markupsafe._speedups.__file__,
        "command": subprocess.check_output(["colour"], text=True).strip(),
        "prefix": sys.prefix,
        "command_line": open("/proc/self/cmdline").read(),
    })


@task(isolation="fresh")
def again() -> str:
    import colours

    print(f"again {colours.VERSION}")
    return colours.VERSION


@dag
def paint():
    work() >> again()
"""
BY_INDEX = CARRIES.replace("# wheels = true\n", "").replace("def paint", "def by_index")
ONLY_PYTHON = """\
# /// script
# requires-python = ">=3.11"
# ///
from leasehold import dag, task


@task
def work() -> None:
    import sys

    print(f"by {sys.executable}")


@dag
def plain():
    work()
"""


def test_its_own_interpreter_is_one_for_carried_wheels_only(binary: Path, tmp_path: Path) -> None:
    (own,) = interpreters(str(binary / "edge-python"), (), search_path="", cache=tmp_path / "pythons.json")

    assert (own.unpacks, own.has_pip, Path(own.path)) == (True, False, binary / "edge-python")
    (asked_before,) = interpreters(own.path, (), search_path="", cache=tmp_path / "pythons.json")
    assert asked_before == own
    command = [str(binary / "edge-agent"), "doctor", "--state-dir", str(tmp_path)]
    said = subprocess.run(command, env=NO_PROGRAMS, capture_output=True, text=True, check=False).stdout
    assert "only packages that travel with a DAG (leasehold deploy --wheels) are installed here" in " ".join(
        said.split()
    )


@contextmanager
def site_without_python(binary: Path, home: Path) -> Iterator[Place]:
    program = str(binary / "edge-agent")
    with open_place(home) as place:
        place.serve()
        place.make_site("north")
        token = place.issue_token("north")
        place.command(program, "enroll", place.url, "--token-file", token, "--state-dir", "north")
        place.start("agent", program, "run", "--state-dir", "north", more=NO_PROGRAMS)
        made = home / "made"
        pack_wheel(
            made,
            "colours-1.0-py3-none-any.whl",
            {
                "colours.py": "VERSION = '1.0'\ndef mix(a): return f'{a} {VERSION}'\ndef main(): print('a command')\n",
                "colours-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: colours\nVersion: 1.0\n",
                "colours-1.0.dist-info/RECORD": "",
                "colours-1.0.dist-info/entry_points.txt": "[console_scripts]\ncolour = colours:main\n",
            },
        )
        installed_wheel(made, "markupsafe", f"cp311-cp311-manylinux2014_{os.uname().machine}")
        yield place


@pytest.mark.timeout(300)
def test_a_machine_without_python_runs_tasks_with_carried_wheels(binary: Path, tmp_path: Path) -> None:
    before = sorted(binary.rglob("*"))
    with site_without_python(binary, tmp_path) as place:
        place.deploy("paint", CARRIES)
        place.deploy("plain", ONLY_PYTHON)
        place.deploy("by_index", BY_INDEX)

        # First: what the other DAG's wheels are unzipped to is good for every DAG with this lock.
        run = place.trigger("by_index")

        def ended() -> list[str]:
            attempts = place.get(f"runs/{run}")["tasks"][0]["attempts"]
            return [attempt["ending"] for attempt in attempts if attempt["ending"]]

        assert until(ended, "it could not start")[0] == "could_not_start"
        assert "carry the wheels (leasehold deploy --wheels), or add" in json.dumps(place.get(f"runs/{run}"))
        place.cancel(run)

        tasks = place.run_dag("paint")["tasks"]

        logs = {each["task"]: place.log_of(each["attempts"][-1]["attempt"]).decode() for each in tasks}
        assert [each["state"] for each in tasks] == ["success", "success"], logs
        (environment,) = (tmp_path / "north/environments").glob("*/pyvenv.cfg")
        assert "installing 2 packages with the agent itself" in logs["work"]
        assert f"'started': ['1.0', '{environment.with_name('bin')}/python']" in logs["work"]
        assert "'spawned': ['red 1.0']" in logs["work"]
        assert f"'compiled': '{environment.parent}/lib/" in logs["work"]
        assert "'command': 'a command'" in logs["work"]
        assert f"'prefix': '{environment.parent}'" in logs["work"]
        assert "leasehold.warm.zygote" in logs["work"], "it was forked from a warm process"
        assert "again 1.0" in logs["again"]

        (plain,) = place.run_dag("plain")["tasks"]
        assert f"by {binary}/edge-python" in place.log_of(plain["attempts"][-1]["attempt"]).decode()
    assert sorted(binary.rglob("*")) == before, "nothing is ever written into the tree of the agent"
