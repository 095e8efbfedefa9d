"""Packs that nobody may get: unsigned, changed, mislabelled, or with more in them than a pack has."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Targets

from leasehold_agent.exits import Exit
from leasehold_agent.packs.machine import platform_name
from leasehold_agent.packs.names import Pack
from release import changes
from release import packs as releasing
from tests.edge_agent.packs.site import NEW, OLD, PYTHON, Site, archive_in
from tests.support.packs import small_pack
from tests.support.releases import NOW, Publisher


def unchecked(publisher: Publisher, tree: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish a tree under the name of a pack, as a publisher does whose own checks are off."""
    monkeypatch.setattr(releasing, "pack_labelled", lambda _content: pack)
    monkeypatch.setattr(releasing, "_check", lambda *_: None)
    publisher.add_pack(tree)


def publish_archive(publisher: Publisher, archive: Path, pack: Pack) -> None:
    """Sign an archive that nobody looked into."""
    metadata = publisher.workspace.next("targets", Targets, now=NOW)
    changes.add_target(publisher.workspace, metadata, pack.target, archive)
    releasing._stage_catalogue(publisher.workspace, pack.platform, now=NOW)
    publisher.publish()


def tar_entry(name: str, kind: bytes = tarfile.REGTYPE, leads_to: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, leads_to
    return made


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: b"\0" + data[1:]])
def test_a_pack_that_was_changed_is_not_taken_however_it_comes(
    site: Site, old: Pack, tmp_path: Path, change: Any
) -> None:
    file = tmp_path / old.file
    copy = site.copy()
    for path in (archive_in(site.publisher.public, old), archive_in(copy, old)):
        path.write_bytes(change(path.read_bytes()))
    shutil.copy(archive_in(copy, old), file)

    refusals = [site.refusal(*words) for words in ((PYTHON,), (PYTHON, "--from", copy), (file,))]

    assert [code for code, _ in refusals] == [Exit.UNTRUSTED] * 3
    assert "something else than what is signed" in refusals[0][1]
    assert "is not what the repository" in refusals[2][1]


def test_a_pack_that_nobody_signed_is_not_taken(site: Site, old: Pack, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Publisher(tmp_path / "other")
    foreign = other.add_pack(small_pack(tmp_path / "other", version=NEW))
    file = tmp_path / foreign.file
    shutil.copy(archive_in(other.public, foreign), file)

    code, said = site.refusal(file)
    by_its_copy, _ = site.refusal(file, "--from", other.public)

    assert code == by_its_copy == Exit.UNTRUSTED
    assert "has no such pack" in said


def test_a_pack_for_other_machines_is_not_taken(site: Site, old: Pack, tmp_path: Path) -> None:
    file = tmp_path / old.file.replace(platform_name(), "linux-sparc64")
    shutil.copy(archive_in(site.publisher.public, old), file)

    code, said = site.refusal(file)

    assert code == Exit.UPDATE
    assert "is for linux-sparc64" in said


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"says": "3.12.9"}, "its program says that it is Python 3.12.9"),
        ({"program": "#!/bin/sh\nexit 1\n"}, "does not work on this machine: exit code 1"),
        ({"program": "#!/nonexistent/ld-linux\n"}, "does not start on this machine"),
        ({"program": "#!/bin/sh\necho 'GLIBC_2.99 not found' >&2; exit 1\n"}, "GLIBC_2.99 not found"),
        ({"program": f"#!/bin/sh\necho {OLD} /usr\n"}, "looks for its library in /usr"),
        ({"glibc": "9.99"}, "it needs glibc 9.99 or newer, and here is"),
        ({"platform": "linux-sparc64"}, f"it says that it is {PYTHON} {OLD} for linux-sparc64"),
    ],
)
def test_a_signed_pack_that_is_not_what_it_says_or_does_not_work_is_not_kept(
    site: Site, publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Any, said: str
) -> None:
    unchecked(publisher, small_pack(tmp_path, version=OLD, **made), Pack(PYTHON, OLD, platform_name()), monkeypatch)

    code, text = site.refusal(PYTHON)

    assert code == Exit.UPDATE
    assert said in text


def test_a_pack_under_the_name_of_another_is_not_taken(
    site: Site, publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = small_pack(tmp_path, "python3.13", "3.13.1")
    (tree / "bin/python3.12").write_bytes((tree / "bin/python3.13").read_bytes())
    (tree / "bin/python3.12").chmod(0o755)
    unchecked(publisher, tree, Pack(PYTHON, OLD, platform_name()), monkeypatch)

    code, text = site.refusal(PYTHON)

    assert code == Exit.UPDATE
    assert "it says that it is python3.13 3.13.1" in text


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (tar_entry("../outside"), "leads out of the folder"),
        (tar_entry(f"{PYTHON}/../../outside"), "leads out of the folder"),
        (tar_entry("/outside"), "leads out of the folder"),
        (tar_entry(f"{PYTHON}/lib/link", tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
        (tar_entry(f"{PYTHON}/lib/link", tarfile.LNKTYPE, f"{PYTHON}/pack.json"), "is a link"),
        (tar_entry(f"{PYTHON}/lib/device", tarfile.CHRTYPE), "is neither a file nor a folder"),
        (tar_entry(f"{PYTHON}/lib/pipe", tarfile.FIFOTYPE), "is neither a file nor a folder"),
        (tar_entry(f"{PYTHON}/pack.json"), "is in it twice"),
        (None, "there is no pack.json in it"),
    ],
)
def test_a_signed_archive_that_holds_what_no_pack_holds_is_not_taken(
    site: Site, publisher: Publisher, tmp_path: Path, entry: tarfile.TarInfo | None, said: str
) -> None:
    pack, archive = Pack(PYTHON, OLD, platform_name()), tmp_path / "archive"
    with tarfile.open(archive, "w:gz") as tar:
        if entry is not None:
            tar.add(small_pack(tmp_path, version=OLD), PYTHON)
            tar.addfile(entry)
    publish_archive(publisher, archive, pack)

    code, text = site.refusal(PYTHON)

    assert code == Exit.UPDATE
    assert said in text
    assert not (tmp_path / "outside").exists()
    assert [path.name for path in site.packs.iterdir() if path.name != ".lock"] == []
