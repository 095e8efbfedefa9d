"""The site's clock jumps by a day while a task runs: leases count on a clock that can't, and proofs on the server's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.place import Place
from tests.system.programs import until

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
PATIENT = """\
import time
from pathlib import Path

from leasehold import dag, task


@task(max_offline="20s", timeout="1h")
def wait_for(gate: str) -> str:
    print("begun", flush=True)
    while not Path(gate).exists():
        time.sleep(0.05)
    return "done"


@dag
def patient(gate: str):
    wait_for(gate)
"""


def test_a_task_and_its_agent_survive_jumps_of_the_clock(api: Place, gate: Path, tmp_path: Path) -> None:
    if not LIBRARIES:
        pytest.skip("libfaketime is not on this machine (Debian's package faketime)")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    api.enroll("north", "jumps-1")
    faked = {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    api.start_agent("jumps-1", more={"LD_PRELOAD": str(LIBRARIES[0]), **faked})
    api.deploy("patient", PATIENT)
    run = api.trigger("patient", gate=str(gate))
    api.running(run, "wait_for")

    for jump in ("-1d", "-1d", "+1d", "+1d"):  # with a renewal after each, longer than a lease in all
        clock.write_text(jump)
        before = api.last_seen("jumps-1")
        until(lambda before=before: api.last_seen("jumps-1") != before, "the agent is heard of")  # type: ignore[misc]
    gate.touch()
    ended = api.finished(run)

    assert ended["state"] == "success", ended
    assert [len(task["attempts"]) for task in ended["tasks"]] == [1]
    assert api.run_dag("patient", gate=str(gate))["state"] == "success"
