"""Versions side by side: a crash, a full disk or a process that runs never costs the version that is in use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

from leasehold_agent.installing.trees import copy_tree
from leasehold_agent.installing.versions import Installed, VersionRefusedError, Versions
from tests.support.small_file_system import mounted

OLD, NEW = "0.1.0", "0.2.0"
PROGRAM = "#!/bin/sh\nexec sleep 60\n"


def tree(folder: Path, *, says: str = "one") -> Path:
    """Make a tree like the binary's: a program, and what it loads late."""
    (folder / "_internal").mkdir(parents=True)
    (folder / "_internal/late.txt").write_text(says)
    (folder / "_internal/link").symlink_to("late.txt")
    (folder / "edge-agent").write_text(PROGRAM)
    (folder / "edge-agent").chmod(0o755)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path / "lib/lease hold")


@pytest.fixture
def in_use(versions: Versions, tmp_path: Path) -> Versions:
    """The old version is installed and current."""
    versions.put_version(tree(tmp_path / "old"), OLD)
    versions.flip(OLD)
    return versions


@pytest.fixture
def runs(in_use: Versions) -> Iterator[None]:
    """A process runs from the old version: a copy of a real program, for a script's is its shell."""
    program = in_use.tree(OLD) / "_internal/sleeper"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    process = subprocess.Popen([program, "60"])
    yield
    process.kill()
    process.wait()


def test_a_version_is_put_beside_the_others_and_used_when_the_link_is_flipped(in_use: Versions, tmp_path: Path) -> None:
    in_use.put_version(tree(tmp_path / "new", says="two"), NEW)
    assert in_use.installed() == Installed(versions=(OLD, NEW), current=OLD)

    before = in_use.flip(NEW)

    assert before == OLD
    assert in_use.installed() == Installed(versions=(OLD, NEW), current=NEW)
    assert (in_use.link / "_internal/link").read_text() == "two"
    assert in_use.link.readlink() == Path("versions") / NEW


def test_others_can_start_it_whatever_the_umask_was(tmp_path: Path) -> None:
    versions = Versions(tmp_path / "lib/leasehold")
    umask = os.umask(0o077)
    try:
        versions.put_version(tree(tmp_path / "old"), OLD)
    finally:
        os.umask(umask)

    for path in (versions.prefix, versions.tree(OLD), versions.tree(OLD) / "edge-agent"):
        assert path.stat().st_mode & 0o777 == 0o755
    assert (versions.tree(OLD) / "_internal/late.txt").stat().st_mode & 0o777 == 0o644


def test_the_same_again_changes_nothing(in_use: Versions, tmp_path: Path) -> None:
    was = in_use.tree(OLD).stat().st_ino

    in_use.put_version(tree(tmp_path / "again"), OLD)

    assert in_use.tree(OLD).stat().st_ino == was


def test_another_content_of_a_version_that_nobody_runs_takes_its_place(in_use: Versions, tmp_path: Path) -> None:
    in_use.put_version(tree(tmp_path / "other", says="two"), OLD)

    assert (in_use.link / "_internal/late.txt").read_text() == "two"
    assert names(in_use.prefix / "versions") == [OLD]


@pytest.mark.usefixtures("runs")
def test_another_content_of_a_version_that_runs_is_refused(in_use: Versions, tmp_path: Path) -> None:
    with pytest.raises(VersionRefusedError, match="processes run from it"):
        in_use.put_version(tree(tmp_path / "other", says="two"), OLD)

    assert (in_use.link / "_internal/late.txt").read_text() == "one"
    assert names(in_use.prefix / "versions") == [OLD]


@pytest.mark.usefixtures("runs")
def test_what_is_current_or_runs_is_not_removed(in_use: Versions, tmp_path: Path) -> None:
    in_use.put_version(tree(tmp_path / "new"), NEW)

    assert not in_use.remove(OLD)  # current
    in_use.flip(NEW)
    assert not in_use.remove(OLD)  # runs
    assert not in_use.remove(NEW)  # current
    assert in_use.installed().versions == (OLD, NEW)


def test_a_version_whose_processes_show_only_their_command_is_not_removed(in_use: Versions, tmp_path: Path) -> None:
    in_use.put_version(tree(tmp_path / "new"), NEW)
    in_use.flip(NEW)
    # As another's shut process looks: its executable is not to be seen, here because it is none of the tree's.
    process = subprocess.Popen([str(in_use.tree(OLD) / "edge-agent"), "3600"], executable=which("sleep"))
    try:
        was_removed = in_use.remove(OLD)
    finally:
        process.kill()
        process.wait()

    assert not was_removed
    assert in_use.remove(OLD)


def test_what_is_neither_is(in_use: Versions, tmp_path: Path) -> None:
    in_use.put_version(tree(tmp_path / "new"), NEW)
    in_use.flip(NEW)

    assert in_use.remove(OLD)
    assert in_use.installed() == Installed(versions=(NEW,), current=NEW)


@pytest.mark.parametrize("version", ["", "..", "../../etc", "a", "1/2", ".new-1", "1" * 200])
def test_a_version_never_leads_elsewhere(versions: Versions, tmp_path: Path, version: str) -> None:
    with pytest.raises(VersionRefusedError):
        versions.put_version(tree(tmp_path / "old"), version)


def test_what_is_no_agent_is_refused(in_use: Versions, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(VersionRefusedError, match="holds no program"):
        in_use.put_version(tmp_path / "empty", NEW)
    with pytest.raises(VersionRefusedError, match="not installed"):
        in_use.flip(NEW)
    assert in_use.installed() == Installed(versions=(OLD,), current=OLD)


def test_a_link_that_leads_nowhere_is_no_version_in_use(in_use: Versions) -> None:
    in_use.link.unlink()
    in_use.link.symlink_to("versions/9.9")

    assert in_use.installed().current is None


POINTS = ("install.tree.durable.before-rename", "install.link.made.before-flip")


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_leaves_the_version_that_was_in_use(in_use: Versions, tmp_path: Path, point: str) -> None:
    new = tree(tmp_path / "new", says="two")
    code = (
        "import sys; from pathlib import Path; from leasehold_agent.installing.versions import Versions\n"
        f"v = Versions(Path(sys.argv[1])); v.put_version(Path(sys.argv[2]), {NEW!r}); v.flip({NEW!r})"
    )

    crashed = subprocess.run(
        [sys.executable, "-c", code, in_use.prefix, new], env=os.environ | {"LEASEHOLD_FAULT_POINT": point}, check=False
    )

    assert crashed.returncode == -signal.SIGKILL
    assert in_use.installed().current == OLD
    assert (in_use.link / "_internal/late.txt").read_text() == "one"
    in_use.put_version(new, NEW)
    in_use.flip(NEW)
    assert in_use.installed() == Installed(versions=(OLD, NEW), current=NEW)
    assert names(in_use.prefix) == [".lock", "current", "versions"]
    assert names(in_use.prefix / "versions") == [OLD, NEW]


def test_a_full_disk_leaves_nothing_half_and_the_version_in_use(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", size_kb=512) as small:
        versions = Versions(small / "lib")
        versions.put_version(tree(tmp_path / "old"), OLD)
        versions.flip(OLD)
        large = tree(tmp_path / "new")
        (large / "_internal/large").write_bytes(bytes(1024 * 1024))

        with pytest.raises(OSError, match="No space left"):
            versions.put_version(large, NEW)

        assert versions.installed() == Installed(versions=(OLD,), current=OLD)
        assert names(versions.prefix / "versions") == [OLD]


def test_only_what_is_ours_alone_is_linked(tmp_path: Path) -> None:
    source = tree(tmp_path / "old")
    (source / "_internal/late.txt").chmod(0o666)

    copy_tree(source, tmp_path / "copy", link=True)

    assert (tmp_path / "copy/edge-agent").samefile(source / "edge-agent")
    assert not (tmp_path / "copy/_internal/late.txt").samefile(source / "_internal/late.txt")
    assert (tmp_path / "copy/_internal/late.txt").stat().st_mode & 0o777 == 0o644
