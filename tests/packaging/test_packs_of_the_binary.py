"""The binary on a machine without any Python: with two packs it installs packages for tasks, offline."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from leasehold_agent.packs.names import UV
from packing.uv_tree import write_uv_tree
from tests.packaging.paths import NO_PROGRAMS
from tests.support.packs import real_python
from tests.support.releases import Publisher
from tests.support.wheels import make_wheel
from tests.system.place import open_place

# A condition that the agent does not read by itself: it leaves these packages to uv, carried as they are.
DAG = """\
# /// script
# requires-python = ">=3.11"
# dependencies = ["colours ; platform_release != 'none'"]
# [tool.leasehold]
# wheels = true
# find-links = ["made"]
# no-index = true
# ///
from leasehold import dag, task


@task
def work() -> str:
    import sys

    import colours

    print(sys.base_prefix)
    return colours.VERSION


@dag
def paint():
    work()
"""


@pytest.mark.timeout(300)
def test_a_machine_without_python_gets_one_and_uv_from_a_folder(binary: Path, tmp_path: Path) -> None:
    publisher = Publisher(tmp_path)
    made = real_python(tmp_path / "packs")
    uv = Path(sys.executable).with_name(UV)
    version = subprocess.check_output([uv, "--version"], text=True).split()[1]
    for tree in (made.tree, write_uv_tree(uv, version, tmp_path / "packs").tree):
        publisher.add_pack(tree)
    (tmp_path / "root.json").write_bytes(publisher.first_root)
    program = str(binary / "edge-agent")
    (tmp_path / "place").mkdir()
    with open_place(tmp_path / "place") as place:
        place.env |= {"LEASEHOLD_AGENT_UPDATE_ROOT": str(tmp_path / "root.json")}
        place.serve()
        place.make_site("north")
        token = place.issue_token("north")
        place.command(program, "enroll", place.url, "--token-file", token, "--state-dir", "north")
        for name in (made.pack.name, UV):
            place.command(program, "packs", "add", name, "--from", str(publisher.public), "--state-dir", "north")
        place.start("agent", program, "run", "--state-dir", "north", more=NO_PROGRAMS)
        make_wheel(place.home / "made", "colours", "1.0")
        place.deploy("paint", DAG)

        (instance,) = place.run_dag("paint")["tasks"]

        log = place.log_of(instance["attempts"][-1]["attempt"]).decode()
        assert instance["state"] == "success", log
        assert f"installing 1 package with uv for Python {made.pack.inside}" in log
        assert str(place.home / "north/packs" / made.pack.name) in log
        assert not (binary / "_internal/lib").exists(), "nothing is ever installed into the tree of the agent"
