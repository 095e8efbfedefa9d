"""A new version is brought whole or not at all, whatever is in the way; the one before stays as it was."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import leasehold_agent
from leasehold_agent.exits import Exit
from leasehold_agent.installing.versions import Versions
from tests.support.releases import PROGRAM, Publisher, Web, make_tree, serving

OLD, NEW, NEWEST = "1.0.0", "1.1.0", "1.2.0"
KILLED = -9


class Machine:
    """An installation in which no agent runs."""

    def __init__(self, folder: Path, publisher: Publisher, web: Web) -> None:
        self.folder = folder
        self.publisher = publisher
        self.web = web
        self.settings = {"REPOSITORY": web.url}
        self.versions = Versions(folder / "prefix")
        self.versions.put_version(make_tree(folder / "old", OLD), OLD)
        self.versions.flip(OLD)
        (self.versions.prefix / "root.json").write_bytes(publisher.first_root)

    def update(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        settings = self.settings | {"PREFIX": str(self.versions.prefix)}
        environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LEASEHOLD_AGENT_CONFIG": "/dev/null"}
        environ |= {f"LEASEHOLD_AGENT_UPDATE_{name}": value for name, value in settings.items()} | more
        command = [self.versions.program, "update", *words, "--state-dir", self.folder / "state"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
        assert "Traceback" not in done.stderr
        return done

    def is_as_before(self) -> bool:
        """Tell whether the old version is current and whole, and nothing else has its place."""
        named = subprocess.run([self.versions.program, "--version"], capture_output=True, text=True, check=False)
        return named.stdout == f"edge-agent {OLD}\n" and self.versions.installed().current == OLD


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    publisher = Publisher(tmp_path)
    with serving(publisher.public) as web:
        yield Machine(tmp_path, publisher, web)


def points() -> list[str]:
    """Return every fault point that the command passes."""
    folder = Path(leasehold_agent.__file__).parent
    sources = [(folder / name).read_text() for name in ("updating/obtaining.py", "installing/versions.py")]
    return sorted({name for source in sources for name in re.findall(r'reach\("([^"]+)"\)', source)})


def test_where_no_agent_runs_the_new_version_is_current_at_once(machine: Machine) -> None:
    machine.publisher.release(NEW)

    done = machine.update()

    assert (done.returncode, done.stderr) == (0, "")
    assert f"edge-agent update --to {OLD}" in done.stdout
    assert machine.versions.installed().current == NEW
    assert machine.update().stdout.startswith(f"Version {NEW} is what there is")


def test_a_person_may_go_back_and_a_channel_may_not(machine: Machine) -> None:
    machine.publisher.release(NEW)
    machine.publisher.release(OLD, channel=None)
    machine.update()
    machine.publisher.release("0.9")

    stays = machine.update()
    back = machine.update("--to", OLD)

    assert "the newest is 0.9" in stays.stdout
    assert back.returncode == 0
    assert machine.is_as_before()


def test_a_pinned_version_is_had_whatever_the_channel_says(machine: Machine) -> None:
    machine.publisher.release(NEW)
    machine.publisher.release(NEWEST)

    machine.update(LEASEHOLD_AGENT_UPDATE_VERSION=NEW)

    assert machine.versions.installed().current == NEW


def test_another_channel_may_have_another_version(machine: Machine) -> None:
    machine.publisher.release(NEW)
    machine.publisher.release(NEWEST, channel="early")

    early = machine.update("--check", "--channel", "early")
    stable = machine.update("--check")

    assert f"Version {NEWEST} is there (channel early)" in early.stdout
    assert f"Version {NEW} is there (channel stable)" in stable.stdout
    assert machine.is_as_before()


def test_versions_that_nobody_needs_any_more_go(machine: Machine) -> None:
    for version in (NEW, NEWEST, "1.3.0"):
        machine.publisher.release(version)
        machine.update()

    assert machine.versions.installed().versions == (NEWEST, "1.3.0")


@pytest.mark.parametrize("point", points())
def test_a_crash_at_any_point_leaves_what_was_there_and_the_next_try_succeeds(machine: Machine, point: str) -> None:
    machine.publisher.release(NEW)

    crashed = machine.update(LEASEHOLD_FAULT_POINT=point)

    assert crashed.returncode == KILLED
    assert machine.is_as_before()
    assert machine.update().returncode == 0
    assert machine.versions.installed().current == NEW
    left = [path.name for path in (machine.versions.prefix / "update").iterdir()]
    assert sorted(left) == ["lock", "metadata"]


def test_of_two_updates_at_once_the_second_is_told(machine: Machine) -> None:
    machine.publisher.release(NEW)
    folder = machine.versions.prefix / "update"
    folder.mkdir()

    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = machine.update()

    assert second.returncode == Exit.IN_USE
    assert "Another update is under way" in second.stderr
    assert machine.is_as_before()


def test_a_version_that_does_not_start_on_this_machine_is_not_kept(machine: Machine, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "foreign", NEW)
    (tree / "edge-agent").write_text("#!/bin/sh\necho \"version 'GLIBC_2.99' not found\" >&2; exit 1\n")
    machine.publisher.release_tree(NEW, tree)

    done = machine.update()

    assert done.returncode == Exit.UPDATE
    assert "GLIBC_2.99" in done.stderr
    assert machine.versions.installed().versions == (OLD,)
    assert machine.is_as_before()


def test_a_version_that_is_another_one_is_not_kept(machine: Machine, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "other", NEW)
    (tree / "edge-agent").write_text(PROGRAM.format(python=sys.executable, version="6.6.6", body=""))
    machine.publisher.release_tree(NEW, tree)

    done = machine.update()

    assert done.returncode == Exit.UPDATE
    assert "it says that it is 6.6.6" in done.stderr
    assert machine.is_as_before()


def test_a_full_disk_is_said_and_leaves_nothing(machine: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        small = Machine.__new__(Machine)
        small.__dict__ |= machine.__dict__ | {"versions": Versions(folder / "prefix")}
        small.versions.put_version(make_tree(tmp_path / "first", OLD), OLD)
        small.versions.flip(OLD)
        (small.versions.prefix / "root.json").write_bytes(machine.publisher.first_root)
        tree = make_tree(tmp_path / "large", NEW)
        (tree / "_internal/large").write_bytes(os.urandom(2**20))
        machine.publisher.release_tree(NEW, tree)

        done = small.update()

        assert done.returncode == Exit.UPDATE
        assert "not enough room" in done.stderr
        assert small.is_as_before()
        assert not (small.versions.prefix / "update/work").exists()
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_an_installation_of_another_owner_is_not_changed_and_the_cure_is_said(machine: Machine) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everything")
    machine.publisher.release(NEW)
    machine.versions.prefix.chmod(0o555)

    done = machine.update()

    assert done.returncode == Exit.UPDATE
    assert "as the owner of" in done.stderr


def test_without_a_root_of_trust_nothing_is_asked(machine: Machine) -> None:
    (machine.versions.prefix / "root.json").unlink()

    done = machine.update()

    assert done.returncode == Exit.USAGE
    assert "update_root" in done.stderr
    assert machine.web.asked == []


def test_without_an_enrolment_and_a_repository_both_are_named(machine: Machine) -> None:
    del machine.settings["REPOSITORY"]

    done = machine.update()

    assert done.returncode == Exit.NOT_ENROLLED
    assert "--repository URL" in done.stderr


def test_an_address_with_a_password_is_refused_and_not_repeated(machine: Machine) -> None:
    done = machine.update("--repository", "http://somebody:hunter2@127.0.0.1:9")

    assert done.returncode == Exit.USAGE
    assert "without name and password" in done.stderr
    assert "hunter2" not in done.stderr
