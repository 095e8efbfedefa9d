"""What ``leasehold tokens issue`` prints is typed as it stands: for the package, a user of one's own, a container."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.scratch_system import ScratchSystem, opened
from tests.support.containers.real_podman import NoPodmanError, RealPodman
from tests.system.place import Place, open_place
from tests.system.programs import until

pytestmark = pytest.mark.timeout(300)

IMAGE = "localhost/leasehold-agent:latest"
SETTINGS = """\
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_place(tmp_path_factory.mktemp("place")) as place:
        place.serve()
        yield place


def issued(place: Place, site: str, way: str) -> list[str]:
    """Return what is printed for one way in."""
    place.make_site(site)
    said = place.command("leasehold", "tokens", "issue", site)
    (ways,) = re.findall(rf"^  {way}.*\n((?:    .+\n?)+)", said, re.MULTILINE)
    return [line.strip() for line in ways.splitlines()]


@pytest.fixture
def system(packages: Path, tmp_path: Path) -> Iterator[ScratchSystem]:
    debs = list(packages.glob("*.deb"))
    if not debs:
        pytest.skip("dpkg-deb is not installed")
    with opened(tmp_path) as system:
        system.bring(debs[0], "/root/edge-agent.deb")
        system.add_sudo()
        system.run("dpkg", "--install", "/root/edge-agent.deb")
        yield system


def test_from_the_package(system: ScratchSystem, place: Place) -> None:
    enroll, start = issued(place, "packaged", "from the package")

    said = system.run("sh", "-c", f"{enroll} --name packaged-1")
    system.start("edge-agent", "run")  # what the unit starts, for there is no systemd in the copy

    assert start == "sudo systemctl enable --now edge-agent"
    assert f"Start it:     {start}" in said
    until(lambda: place.last_seen("packaged-1"), "the agent says hello")
    until(lambda: "new work  is taken" in system.run("edge-agent", "status"), "the agent takes work")


def test_as_ones_own_user(packages: Path, place: Place, tmp_path: Path) -> None:
    (archive,) = packages.glob("*.tar.xz")
    subprocess.run(["tar", "-xJf", archive, "-C", tmp_path], check=True)
    env = place.env | {
        "PATH": f"{tmp_path}/edge-agent:/usr/bin:/bin",
        "LEASEHOLD_AGENT_STATE_DIR": str(tmp_path / "state"),
    }
    enroll, start = issued(place, "own", "as your own user")

    subprocess.run(["sh", "-c", f"{enroll} --name own-1"], env=env, check=True, capture_output=True)
    place.start("own", "/bin/sh", "-c", f"exec {start}", more=env)

    until(lambda: place.last_seen("own-1"), "the agent says hello")


@pytest.fixture
def podman(packages: Path, tmp_path: Path) -> Iterator[RealPodman]:
    """Podman, with an image that is the tar archive and the libraries of this system that it needs."""
    podman = RealPodman(tmp_path)
    try:
        podman.start()
    except NoPodmanError as problem:
        pytest.skip(str(problem))
    (archive,) = packages.glob("*.tar.xz")
    root = tmp_path / "root.tar"
    _write_root(archive, root, tmp_path)
    how = [
        'ENTRYPOINT ["/edge-agent/edge-agent"]',
        'CMD ["run"]',
        "ENV LEASEHOLD_AGENT_STATE_DIR=/var/lib/leasehold-agent",
    ]
    podman.make_image(root, IMAGE, how)
    yield podman
    podman.close()


def test_in_a_container(podman: RealPodman, place: Place, tmp_path: Path) -> None:
    (tmp_path / "containers.conf").write_text(SETTINGS)
    env = place.env | {"PATH": f"{podman.folder}:/usr/bin:/bin", "CONTAINERS_CONF": str(tmp_path / "containers.conf")}
    enroll, start = issued(place, "boxed", "in a container")

    ended = subprocess.run(["sh", "-c", enroll], env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    subprocess.run(["sh", "-c", start], env=env, check=True, capture_output=True)

    assert "Enrolled as boxed-1 of site boxed" in ended.stdout
    assert "start a container with this volume" in ended.stdout
    until(lambda: place.last_seen("boxed-1"), "the agent says hello")


def _write_root(archive: Path, root: Path, folder: Path) -> None:
    """Write the file system of a container: the archive, what of glibc its programs name, and folders."""
    subprocess.run(["tar", "-xJf", archive, "-C", folder], check=True)
    tree = folder / "edge-agent"
    programs = [tree / "edge-agent", *tree.rglob("*.so*")]
    linked = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    libraries = {Path(path) for path in re.findall(r"(/\S+) \(0x", linked)}
    with tarfile.open(root, "w") as tar:
        for name in ("tmp", "run", "etc", "var/lib/leasehold-agent"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        tar.add(tree, "edge-agent")
        for library in libraries:
            if not library.is_relative_to(tree):
                tar.add(library.resolve(), str(library).lstrip("/"))
    shutil.rmtree(tree)
