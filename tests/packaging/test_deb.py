"""A real .deb in a real Debian: installed, upgraded and downgraded under a running task, removed and purged.

In a copy of this system that is thrown away: what is written goes into memory (an overlay), what dpkg knows as well.
There is no systemd in it, as in many containers: the scripts cope, and the test starts the agent itself. Needs root.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.metadata import version as built_version
from pathlib import Path

import pytest

from tests.packaging.other_versions import make_package
from tests.packaging.scratch_system import ScratchSystem, opened
from tests.support.patient_dag import DAG
from tests.system.place import Place, open_place
from tests.system.programs import until

pytestmark = pytest.mark.timeout(300)

OLDER, NEWER = built_version("leasehold-agent"), "99.0.0"


@pytest.fixture(scope="module")
def debs(binary: Path, packages: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    (older,) = packages.glob("*.deb")
    return {OLDER: older, NEWER: make_package(binary, tmp_path_factory.mktemp("debs"), NEWER, "write_deb", "none")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_place(tmp_path_factory.mktemp("place")) as place:
        place.serve()
        place.make_site("north")
        place.deploy("waiting", DAG)
        yield place


@pytest.fixture
def system(debs: dict[str, Path], tmp_path: Path) -> Iterator[ScratchSystem]:
    with opened(tmp_path) as system:
        for version, package in debs.items():
            system.bring(package, f"/root/{version}.deb")
        yield system


def start(system: ScratchSystem, place: Place) -> None:
    """Start the agent as its service would; the API has heard of it when this returns."""
    before = place.last_seen("edge")
    system.start("edge-agent", "run", "--slots", "2")
    until(lambda: place.last_seen("edge") != before, "the agent says hello")


def stop(system: ScratchSystem) -> None:
    """Stop the agent as its service would, by ``ExecStop``."""
    system.run("edge-agent", "stop", "--force")
    until(lambda: "not running" in system.run("edge-agent", "status"), "the agent has ended")


def versions(system: ScratchSystem) -> set[str]:
    return set(os.listdir(system.path("/usr/lib/leasehold/versions")))  # noqa: PTH208 - only names


def test_a_task_goes_on_while_the_package_is_upgraded_and_downgraded(
    system: ScratchSystem, place: Place, tmp_path: Path
) -> None:
    system.run("dpkg", "--install", f"/root/{OLDER}.deb")
    token = (place.home / place.issue_token("north")).read_text()
    said = system.run("edge-agent", "enroll", place.url, "--token-file", "-", "--name", "edge", stdin=token)
    assert "sudo systemctl enable --now edge-agent" in said
    owner = system.run("stat", "-c", "%U %a", "/var/lib/leasehold-agent/identity.json").split()
    assert owner == ["leasehold-agent", "600"]  # root enrolled it, and the service can read it
    start(system, place)
    run = place.trigger("waiting", gate="/var/lib/leasehold-agent/gate")
    attempt = place.running(run, "patient")

    system.run("dpkg", "--install", f"/root/{NEWER}.deb")
    stop(system)
    start(system, place)
    assert system.path("/usr/lib/leasehold/current").readlink().name == NEWER
    system.run("dpkg", "--install", f"/root/{OLDER}.deb")
    stop(system)
    start(system, place)
    system.path("/var/lib/leasehold-agent/gate").touch()
    ended = place.finished(run)

    (task,) = ended["tasks"]
    assert (ended["state"], task["result"]) == ("success", "went on")
    assert [one["attempt"] for one in task["attempts"]] == [attempt]
    assert versions(system) == {OLDER, NEWER}
    stop(system)


def test_settings_are_the_sites_and_state_stays_until_purge(system: ScratchSystem) -> None:
    system.run("dpkg", "--install", f"/root/{OLDER}.deb")
    settings = system.path("/etc/leasehold/agent.toml")
    settings.write_text(settings.read_text() + "slots = 7\n")
    system.run("dpkg", "--force-confold", "--install", f"/root/{NEWER}.deb")
    assert "slots = 7" in settings.read_text()
    assert system.run("edge-agent", "--version") == f"edge-agent {NEWER}\n"
    assert versions(system) == {OLDER, NEWER}  # the one before stays, to go back to
    assert "sudo apt install --only-upgrade edge-agent" in system.run("edge-agent", "update", fails=True)

    system.run("dpkg", "--remove", "edge-agent")
    assert not system.path("/usr/lib/leasehold").exists()
    assert not os.path.lexists(system.path("/usr/bin/edge-agent"))
    assert settings.exists()
    assert system.path("/var/lib/leasehold-agent").is_dir()

    system.run("dpkg", "--purge", "edge-agent")
    assert not system.path("/etc/leasehold").exists()
    assert not system.path("/var/lib/leasehold-agent").exists()
    assert "leasehold-agent" not in system.path("/etc/passwd").read_text()


def test_a_version_that_a_task_runs_from_outlives_the_package(system: ScratchSystem, place: Place) -> None:
    system.run("dpkg", "--install", f"/root/{OLDER}.deb")
    sleeper = system.start("/usr/lib/leasehold/current/edge-python", "-c", "import time; time.sleep(60)")

    said = system.run("dpkg", "--remove", "edge-agent")

    assert f"Version {OLDER} stays" in said
    assert sleeper.poll() is None
    assert versions(system) == {OLDER}


def test_a_disk_that_fills_up_leaves_the_old_version_in_use(system: ScratchSystem) -> None:
    system.run("dpkg", "--install", f"/root/{OLDER}.deb")
    system.fill(leave_mb=20)

    system.run("dpkg", "--install", f"/root/{NEWER}.deb", fails=True)

    assert system.run("edge-agent", "--version").startswith("edge-agent ")
    assert system.path("/usr/lib/leasehold/current").readlink().name == OLDER
