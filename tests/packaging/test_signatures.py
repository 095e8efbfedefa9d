"""What a site downloads is signed: each file is checked with what every machine has, ssh-keygen and sha256sum.

The tree inside is a small script here: what is packed does not matter to who signs it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from release.commands import main
from tests.packaging.paths import PACKAGING
from tests.support.releases import Publisher

KINDS = {"single": os.uname().machine, "tar": ".tar.xz", "sbom": ".cdx.json", "deb": ".deb", "rpm": ".rpm"}
NEEDED = {"deb": "dpkg-deb", "rpm": "rpmbuild"}
BILL = {"bomFormat": "CycloneDX", "components": [{"name": "something inside"}]}

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")


@dataclass
class Release:
    """A folder of packages, and what their publisher gave to sites by another way."""

    folder: Path
    signers: Path
    root: bytes

    def file(self, kind: str) -> Path:
        """Return the package of a kind."""
        if kind in NEEDED and shutil.which(NEEDED[kind]) is None:
            pytest.skip(f"{NEEDED[kind]} is not installed")
        (found,) = (file for file in self.folder.iterdir() if file.name.endswith(KINDS[kind]))
        return found

    def is_genuine(self, file: Path, signature: Path | None = None) -> bool:
        """Type what the how-to says."""
        who = ["-f", str(self.signers), "-I", "leasehold-release", "-n", "leasehold-release"]
        command = ["ssh-keygen", "-Y", "verify", *who, "-s", str(signature or f"{file}.sig")]
        with file.open("rb") as content:
            return subprocess.run(command, stdin=content, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("release")
    about = folder / "tree/_internal/about"
    about.mkdir(parents=True)
    (about / "build.json").write_text(
        json.dumps({"version": "1.2", "architecture": os.uname().machine, "glibc": "2.17"})
    )
    (about / "sbom.cdx.json").write_text(json.dumps(BILL))
    (folder / "tree/edge-agent").write_text("#!/bin/sh\necho edge-agent 1.2\n")
    (folder / "tree/edge-agent").chmod(0o755)
    (folder / "root.json").write_bytes(root := Publisher(folder).first_root)
    command = [sys.executable, "make_packages.py", "--tree", str(folder / "tree"), "--output", str(folder / "packages")]
    made = subprocess.run([*command, "--root", str(folder / "root.json")], cwd=PACKAGING, check=False)
    assert made.returncode in (0, 1)  # 1: no rpmbuild or dpkg-deb here
    key = folder / "targets.pem"
    assert main(["key", str(key), "--online"]) == 0
    assert main(["sign-packages", str(folder / "packages"), "--key", str(key)]) == 0
    release = Release(folder / "packages", folder / "leasehold.signers", root)
    release.signers.write_text(signers_of(key.with_suffix(".pub")))
    return release


def signers_of(public: Path) -> str:
    """Return what the publisher hands to sites."""
    command = [sys.executable, "release.py", "signers", str(public)]
    return subprocess.check_output(command, cwd=PACKAGING, text=True)


def with_one_byte_changed(file: Path, folder: Path) -> Path:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    changed = folder / file.name
    changed.write_bytes(data)
    return changed


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_is_genuine_and_one_changed_byte_shows(release: Release, kind: str, tmp_path: Path) -> None:
    file = release.file(kind)
    changed = with_one_byte_changed(file, tmp_path)

    assert release.is_genuine(file)
    assert not release.is_genuine(changed, Path(f"{file}.sig"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_signed_sums_find_a_changed_byte_in_any_file(release: Release, kind: str, tmp_path: Path) -> None:
    sums = release.folder / "SHA256SUMS"
    command = ["sha256sum", "--check", "--ignore-missing", "--quiet", str(sums)]
    with_one_byte_changed(release.file(kind), tmp_path)

    assert release.is_genuine(sums)
    assert subprocess.run(command, cwd=release.folder, check=False).returncode == 0
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_sums_that_somebody_else_wrote_are_not_believed(release: Release, tmp_path: Path) -> None:
    assert main(["key", str(tmp_path / "other.pem"), "--online"]) == 0
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "SHA256SUMS").write_text("")
    assert main(["sign-packages", str(theirs), "--key", str(tmp_path / "other.pem")]) == 0

    assert not release.is_genuine(theirs / "SHA256SUMS")
    assert not release.is_genuine(with_one_byte_changed(release.folder / "SHA256SUMS", tmp_path))


def test_what_is_not_as_its_sum_says_is_not_signed(
    release: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["key", str(tmp_path / "key.pem"), "--online"]) == 0
    copy = tmp_path / "copy"
    shutil.copytree(release.folder, copy, ignore=shutil.ignore_patterns("*.sig"))
    with_one_byte_changed(release.file("sbom"), copy)
    capsys.readouterr()

    assert main(["sign-packages", str(copy), "--key", str(tmp_path / "key.pem")]) == 1
    assert "Nothing was signed" in capsys.readouterr().err
    assert not list(copy.glob("*.sig"))


@pytest.mark.parametrize(
    ("kind", "unpacked"),
    [
        ("single", "sh {file} extract ."),
        ("tar", "tar -xJf {file}"),
        ("deb", "dpkg-deb --extract {file} ."),
        ("rpm", "rpm2archive - < {file} | tar -xz"),
    ],
)
def test_the_bill_of_materials_and_the_root_of_trust_are_inside(
    release: Release, kind: str, unpacked: str, tmp_path: Path
) -> None:
    file = release.file(kind)

    subprocess.run(unpacked.format(file=file), shell=True, cwd=tmp_path, check=True)

    (about,) = tmp_path.rglob("_internal/about")
    assert json.loads((about / "sbom.cdx.json").read_text()) == BILL
    assert (about / "root.json").read_bytes() == release.root
    if kind in NEEDED:
        assert json.loads((tmp_path / "usr/share/doc/edge-agent/sbom.cdx.json").read_text()) == BILL
        assert (tmp_path / "usr/lib/leasehold/managed-by").read_text() == {"deb": "apt\n", "rpm": "dnf\n"}[kind]


def test_a_file_that_is_no_root_is_not_given_to_sites_to_trust(release: Release, tmp_path: Path) -> None:
    command = [sys.executable, "make_packages.py", "--tree", str(release.folder.parent / "tree"), "--only", "sbom"]
    targets = next(release.folder.parent.glob("repository/public/metadata/*.targets.json"))

    ended = subprocess.run(
        [*command, "--output", str(tmp_path), "--root", str(targets)],
        cwd=PACKAGING,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert "is no root of trust" in ended.stderr
    assert not list(tmp_path.iterdir())
