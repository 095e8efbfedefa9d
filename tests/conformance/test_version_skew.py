"""Two versions of the SDK on one agent at once; a newer one than the agent can serve is told what to do."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import leasehold
from leasehold_protocol.v1.manifest import PythonWork
from tests.conformance.bindings import runtime
from tests.edge_agent.host.harness import Attempt, Zygote
from tests.system.programs import until

TASK = """\
import leasehold
from leasehold import metrics, xcom
from pathlib import Path

def read():
    metrics.count("rows", 3)
    xcom.push("late", [1])
    Path("here").write_text("")
    while not Path("../../go").exists():
        pass
    return leasehold.__version__
"""


def sdk_copy(folder: Path, version: str, protocol: int | None) -> Path:
    """Return a folder with a copy of the SDK of another version; one without a protocol is from before it had one."""
    package = folder / f"sdk-{version}" / "leasehold"
    shutil.copytree(Path(leasehold.__file__).parent, package, ignore=shutil.ignore_patterns("cli", "__pycache__"))
    init, wire = package / "__init__.py", package / "runtime/wire.py"
    init.write_text(re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', init.read_text()))
    if protocol is None:
        wire.write_text(wire.read_text().replace('{self._secret}", _PROTOCOL]', '{self._secret}"]'))
    else:
        wire.write_text(wire.read_text().replace("TASK_PROTOCOL = 1\n", f"TASK_PROTOCOL = {protocol}\n"))
    return package.parent


def started(folder: Path, name: str, zygote: Zygote, sdk: Path) -> Attempt:
    attempt = Attempt(folder / name, zygote)
    bundle = folder / "bundle"
    bundle.mkdir(exist_ok=True)
    (bundle / "sensors.py").write_text(TASK)
    work = PythonWork(module="sensors", function="read")
    return attempt.start(work, runtime=runtime(folder / "state") | {"sdk_path": str(sdk)}, bundle_dir=bundle)


@pytest.mark.parametrize("protocol", [None, 1])
def test_an_older_sdk_and_this_one_work_side_by_side(tmp_path: Path, zygote: Zygote, protocol: int | None) -> None:
    older = started(tmp_path, "ti-1.1", zygote, sdk_copy(tmp_path, "0.0.9", protocol))
    current = started(tmp_path, "ti-2.1", zygote, sdk_copy(tmp_path, "0.1.0", 1))

    try:
        until(lambda: all((attempt.work / "here").exists() for attempt in (older, current)), "both run at once")
        (tmp_path / "go").touch()
        kinds = [attempt.wait()["kind"] for attempt in (older, current)]
    finally:
        older.clean_up()
        current.clean_up()

    assert kinds == ["success", "success"]
    assert [attempt.xcom("return_value") for attempt in (older, current)] == ["0.0.9", "0.1.0"]
    assert all(
        attempt.xcom("late") == [1] and len(attempt.lines("metrics.ndjson")) == 1 for attempt in (older, current)
    )


def test_an_sdk_newer_than_the_agent_is_told_what_to_update(tmp_path: Path, zygote: Zygote) -> None:
    attempt = started(tmp_path, "ti-1.1", zygote, sdk_copy(tmp_path, "2.0.0", 2))

    try:
        ending = attempt.wait()
    finally:
        attempt.clean_up()

    assert ending["kind"] == "failed"
    assert "speaks version 1 of the task protocol, the task's SDK needs 2: update the agent" in attempt.log
