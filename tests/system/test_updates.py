"""From the publisher's desk to a site: the API serves the versions, the agent finds them there without any setting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leasehold_agent.installing.versions import Versions
from tests.support.releases import Publisher, make_tree
from tests.system.place import open_place
from tests.system.programs import until

OLD, NEW = "1.0.0", "1.1.0"
DAG = """\
from leasehold import dag, shell


@dag
def long(gate: str = ""):
    shell("echo begun; while [ ! -e {{ params.gate }} ]; do sleep 0.1; done", id="wait")
"""


@pytest.mark.timeout(240)
def test_a_site_updates_from_its_api_while_a_task_runs(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path)
    publisher.release(NEW)
    versions = Versions(tmp_path / "prefix")
    versions.put_version(make_tree(tmp_path / "old", OLD), OLD)
    versions.flip(OLD)
    (versions.prefix / "root.json").write_bytes(publisher.first_root)
    settings = {"LEASEHOLD_AGENT_UPDATE_PREFIX": str(versions.prefix), "LEASEHOLD_AGENT_UPDATE": "off"}
    (tmp_path / "place").mkdir()
    with open_place(tmp_path / "place") as place:
        place.env |= settings
        place.serve("--updates", str(publisher.public))
        place.make_site("north")
        place.enroll("north", "north-1")
        place.deploy("long", DAG)
        agent = place.start("agent", str(versions.program), "run", "--state-dir", "north-1")
        gate = tmp_path / "gate"
        run = place.trigger("long", gate=str(gate))
        place.running(run, "wait")

        said = place.command(str(versions.program), "update", "--state-dir", "north-1")
        gate.touch()
        ended = place.finished(run)
        status = json.loads(place.command("edge-agent", "status", "--json", "--state-dir", "north-1"))

        assert f"Version {NEW} runs; it took over from {OLD}" in said
        assert ended["state"] == "success"
        assert len(ended["tasks"][0]["attempts"]) == 1
        assert (status["version"], status["pid"]) == (NEW, agent.pid)
        assert versions.installed().current == NEW
        until(lambda: place.get("agents")["items"][0]["version"] == NEW, "the API knows the new version")
