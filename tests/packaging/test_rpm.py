"""A real .rpm: installed, upgraded, downgraded and removed by rpm, in a copy of this system that is thrown away.

This is a Debian: what the package requires of others is looked at here, and not resolved. Needs root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packaging.other_versions import make_package
from tests.packaging.scratch_system import ScratchSystem, opened

pytestmark = pytest.mark.timeout(300)

OLDER, NEWER = "1.0.0", "2.0.0"


@pytest.fixture(scope="module")
def packages(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    if shutil.which("rpmbuild") is None:
        pytest.skip("rpmbuild is not installed (Debian: the package rpm)")
    folder = tmp_path_factory.mktemp("rpms")
    return {version: make_package(binary, folder, version, "write_rpm", "w1.gzdio") for version in (OLDER, NEWER)}


def current(system: ScratchSystem) -> str:
    return system.path("/usr/lib/leasehold/current").readlink().name


def test_it_is_installed_upgraded_downgraded_and_removed(packages: dict[str, Path], tmp_path: Path) -> None:
    with opened(tmp_path) as system:
        for version, package in packages.items():
            system.bring(package, f"/root/{version}.rpm")
        rpm = ("rpm", "--nodeps")

        system.run(*rpm, "--install", f"/root/{OLDER}.rpm")
        assert system.run("edge-agent", "--version").startswith("edge-agent ")
        assert current(system) == OLDER
        settings = system.path("/etc/leasehold/agent.toml")
        settings.write_text(settings.read_text() + "slots = 7\n")
        system.run(*rpm, "--upgrade", f"/root/{NEWER}.rpm")
        assert current(system) == NEWER
        assert "slots = 7" in settings.read_text()
        assert "sudo dnf upgrade edge-agent" in system.run("edge-agent", "update", fails=True)
        system.run(*rpm, "--upgrade", "--oldpackage", f"/root/{OLDER}.rpm")
        assert current(system) == OLDER
        assert system.run("edge-agent", "--version").startswith("edge-agent ")

        system.run(*rpm, "--erase", "edge-agent")
        assert not os.path.lexists(system.path("/usr/bin/edge-agent"))
        assert not system.path("/usr/lib/leasehold").exists()
        assert system.path("/var/lib/leasehold-agent").is_dir()


def test_it_requires_the_glibc_that_it_was_built_for(packages: dict[str, Path]) -> None:
    asked = ["rpm", "--query", "--package", "--requires", packages[NEWER]]
    required = subprocess.check_output(asked, text=True, stderr=subprocess.DEVNULL)

    assert "glibc >= 2." in required
    assert "GLIBC_" not in required  # nothing that only a search through our own libraries would ask for
