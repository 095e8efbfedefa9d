"""From the publisher to a task: a Python that no machine has comes from the API as a pack, while the agent runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.packs import real_python
from tests.support.releases import Publisher
from tests.support.wheels import make_wheel
from tests.system.place import open_place
from tests.system.programs import until

DAG = """\
# /// script
# requires-python = "{requires}"
# dependencies = ["colours"]
# [tool.leasehold]
# wheels = true
# find-links = ["made"]
# no-index = true
# ///
from leasehold import dag, task


@task
def work() -> list[str]:
    import sys

    import colours

    return [colours.VERSION, sys.base_prefix]


@dag
def paint():
    work()
"""


@pytest.mark.timeout(240)
def test_a_task_waits_for_a_python_that_a_pack_brings(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path)
    made = real_python(tmp_path / "made-packs")
    publisher.add_pack(made.tree)
    (tmp_path / "root.json").write_bytes(publisher.first_root)
    (tmp_path / "place/bin").mkdir(parents=True)
    with open_place(tmp_path / "place") as place:
        place.env |= {"LEASEHOLD_AGENT_UPDATE_ROOT": str(tmp_path / "root.json")}
        place.serve("--updates", str(publisher.public))
        place.make_site("north")
        place.enroll("north", "north-1")
        # A machine without any Python: the agent's own runs tasks, and is nothing to install packages for.
        place.start_agent("north-1", more={"PATH": str(tmp_path / "place/bin"), "LEASEHOLD_AGENT_PYTHON": "/bin/true"})
        make_wheel(tmp_path / "place/made", "colours", "1.0")
        place.deploy("paint", DAG.format(requires=f"~={made.pack.inside}"))
        run = place.trigger("paint")
        why = place.command("leasehold", "why", run, "--json")

        said = place.command("edge-agent", "packs", "add", made.pack.name, "--state-dir", "north-1")
        ended = place.finished(run)
        status = json.loads(place.command("edge-agent", "status", "--json", "--state-dir", "north-1"))

        (instance,) = ended["tasks"]
        log = place.log_of(instance["attempts"][-1]["attempt"]).decode()
        assert f"edge-agent packs add {made.pack.name}" in why
        assert f"Tasks can have {made.pack.name} {made.pack.version}." in said
        assert instance["state"] == "success", log
        assert len(instance["attempts"]) == 1
        assert status["packs"] == [f"{made.pack.name} {made.pack.version}"]
        until(lambda: made.pack.inside in str(place.get("agents")["items"][0]), "the API knows that Python")
