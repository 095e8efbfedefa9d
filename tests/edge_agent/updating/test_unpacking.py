"""Archives that lead elsewhere, hold what no version holds, or never end: nothing of them gets out of its folder."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold_agent.updating import unpacking
from leasehold_agent.updating.unpacking import BadArchiveError, objection, unpack
from release.archive import TreeError, write_archive
from tests.support.releases import make_tree


def archive(folder: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    file = folder / "archive.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        for entry, content in entries:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return file


def entry(name: str, kind: bytes = tarfile.REGTYPE, *, leads_to: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, leads_to, mode
    return made


def test_a_tree_comes_out_as_it_went_in(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", "1.1.0")
    (tree / "_internal/empty").mkdir()
    (tree / "_internal/linked").symlink_to("some.library")

    write_archive(tree, tmp_path / "archive")
    unpack(tmp_path / "archive", tmp_path / "out")

    out = tmp_path / "out/edge-agent"
    assert (out / "edge-agent").read_bytes() == (tree / "edge-agent").read_bytes()
    assert (out / "_internal/linked").read_bytes() == (tree / "_internal/some.library").read_bytes()
    assert not (out / "_internal/linked").is_symlink()
    assert (out / "_internal/empty").is_dir()
    assert [path.stat().st_mode & 0o777 for path in (out / "edge-agent", out / "_internal/linked")] == [0o755, 0o644]


@pytest.mark.parametrize(
    "bad",
    [
        entry("../outside"),
        entry("edge-agent/../../outside"),
        entry("/outside"),
        entry("edge-agent/..\\outside"),
        entry("."),
        entry("edge-agent/link", tarfile.SYMTYPE, leads_to="/etc"),
        entry("edge-agent/link", tarfile.LNKTYPE, leads_to="edge-agent/first"),
        entry("edge-agent/null", tarfile.CHRTYPE),
        entry("edge-agent/disk", tarfile.BLKTYPE),
        entry("edge-agent/pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda bad: f"{bad.name} {bad.type!r}",
)
def test_what_is_no_file_below_its_folder_is_refused(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    file = archive(tmp_path, (entry("edge-agent/first"), b"first"), (bad, b""))

    with pytest.raises(BadArchiveError):
        unpack(file, tmp_path / "out")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive.tar.gz", "out"]
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["edge-agent", "first"]


def test_the_second_entry_of_a_name_does_not_replace_the_first(tmp_path: Path) -> None:
    file = archive(tmp_path, (entry("edge-agent/one"), b"first"), (entry("edge-agent/one"), b"second"))

    with pytest.raises(BadArchiveError, match="twice"):
        unpack(file, tmp_path / "out")

    assert (tmp_path / "out/edge-agent/one").read_bytes() == b"first"


def test_a_file_is_no_folder_for_what_comes_later(tmp_path: Path) -> None:
    file = archive(tmp_path, (entry("edge-agent/one"), b"first"), (entry("edge-agent/one/two"), b"second"))

    with pytest.raises(OSError):
        unpack(file, tmp_path / "out")


def test_special_modes_are_not_taken_over(tmp_path: Path) -> None:
    unpack(archive(tmp_path, (entry("run", mode=0o6777), b"x"), (entry("read", mode=0o666), b"x")), tmp_path / "out")

    assert (tmp_path / "out/run").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "out/read").stat().st_mode & 0o7777 == 0o644


def test_what_unpacks_to_more_than_any_version_is_refused_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "MOST_BYTES", 2**20)
    file = archive(tmp_path, (entry("small"), b"x" * 2**19), (entry("large"), b"\0" * 2**20))

    with pytest.raises(BadArchiveError, match="more than"):
        unpack(file, tmp_path / "out")

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["small"]


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MOST_FILES", 10)

    with pytest.raises(BadArchiveError, match="more than 10 files"):
        unpack(archive(tmp_path, *((entry(f"f{n}"), b"") for n in range(11))), tmp_path / "out")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"no archive at all",
        lambda data: gzip.compress(b"no tar in it"),
    ],
    ids=["cut", "empty", "text", "no tar"],
)
def test_a_damaged_archive_is_said_to_be_one(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    file = archive(tmp_path, *((entry(f"edge-agent/{n}"), os.urandom(5000)) for n in range(20)))
    file.write_bytes(damage(file.read_bytes()))

    with pytest.raises(BadArchiveError):
        unpack(file, tmp_path / "out")


@given(st.text(min_size=1, max_size=30))
def test_no_name_that_is_accepted_leads_out(name: str) -> None:
    if objection(entry(name)) is None:
        place = os.path.normpath(f"/folder/{name}")
        assert place.startswith("/folder/")


def test_a_tree_without_the_program_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()

    with pytest.raises(TreeError, match="no program edge-agent"):
        write_archive(tmp_path / "tree", tmp_path / "archive")
