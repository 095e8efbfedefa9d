"""The agent as .deb and .rpm: a payload, which their scripts make a version of its own, and the service."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from artefacts import ROOT, Tree, made_at

sys.path.insert(0, str(ROOT / "edge_agent"))
from leasehold_agent.installing.places import MANAGED_BY
from leasehold_agent.installing.units import system_settings, systemd_unit

_PARTS = ROOT / "packaging/package"
_SCRIPTS = ("postinst", "prerm", "postrm")
_FOLDERS = ("usr/bin", "usr/lib/leasehold", "usr/lib/systemd/system", "usr/share/doc/edge-agent", "etc/leasehold")
_DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}


def write_deb(tree: Tree, folder: Path, work: Path, *, compression: str = "xz") -> Path:
    """Write ``edge-agent_<version>_<architecture>.deb`` into a folder, and return it; needs dpkg-deb."""
    root = _fresh(work / "deb")
    _lay_out(tree, root, manager="apt")
    about = root / "DEBIAN"
    about.mkdir(mode=0o755)
    architecture = _DEBIAN.get(tree.architecture, tree.architecture)
    size_kb = sum(file.lstat().st_size for file in root.rglob("*") if file.is_file()) // 1024
    facts = {"VERSION": tree.version, "ARCHITECTURE": architecture, "GLIBC": tree.glibc, "SIZE_KB": str(size_kb)}
    (about / "control").write_text(_filled((_PARTS / "control").read_text(), facts))
    (about / "conffiles").write_text("/etc/leasehold/agent.toml\n")
    for script in _SCRIPTS:
        shutil.copyfile(_PARTS / script, about / script)
        (about / script).chmod(0o755)
    file = folder / f"edge-agent_{tree.version}_{architecture}.deb"
    _run("dpkg-deb", "--root-owner-group", f"-Z{compression}", "--build", str(root), str(file))
    return file


def write_rpm(tree: Tree, folder: Path, work: Path, *, compression: str = "w6.xzdio") -> Path:
    """Write ``edge-agent-<version>-1.<architecture>.rpm`` into a folder, and return it; needs rpmbuild."""
    top = _fresh(work / "rpm")
    root = top / "root"
    root.mkdir()
    _lay_out(tree, root, manager="dnf")
    # rpm tells its scripts how many versions there will be: after the last one, 0.
    scripts = {script.upper(): (_PARTS / script).read_text().partition("\n")[2] for script in _SCRIPTS}
    facts = {"VERSION": tree.version, "ARCHITECTURE": tree.architecture, "GLIBC": tree.glibc, "ROOT": str(root)}
    spec = top / "edge-agent.spec"
    spec.write_text(_filled((_PARTS / "edge-agent.spec.in").read_text(), facts | scripts))
    defines = {
        "_topdir": str(top),
        "_rpmdir": str(top / "made"),
        "_buildhost": "reproducible",
        "_binary_payload": compression,
    }
    options = [part for name, value in defines.items() for part in ("--define", f"{name} {value}")]
    _run("rpmbuild", "-bb", "--quiet", "--nodeps", f"--target={tree.architecture}", *options, str(spec))
    (made,) = (top / "made").rglob("*.rpm")
    return Path(shutil.copyfile(made, folder / made.name))


def _lay_out(tree: Tree, root: Path, *, manager: str) -> None:
    """Make the file system of a package: what lies where at a site, and which program brings newer versions."""
    umask = os.umask(0o022)
    try:
        for name in _FOLDERS:
            (root / name).mkdir(parents=True)
        shutil.copytree(tree.folder, root / "usr/lib/leasehold/payload", symlinks=True)
        (root / "usr/lib/leasehold" / MANAGED_BY).write_text(f"{manager}\n")
        (root / "usr/bin/edge-agent").symlink_to("../lib/leasehold/current/edge-agent")
        unit = systemd_unit(Path("/usr/bin/edge-agent"), "system")
        (root / "usr/lib/systemd/system/edge-agent.service").write_text(unit)
        (root / "etc/leasehold/agent.toml").write_text(system_settings())
        shutil.copyfile(tree.bill_of_materials, root / "usr/share/doc/edge-agent/sbom.cdx.json")
        shutil.copyfile(ROOT / "LICENSE", root / "usr/share/doc/edge-agent/copyright")
    finally:
        os.umask(umask)
    for path in (root, *root.rglob("*")):
        os.utime(path, (made_at(), made_at()), follow_symlinks=False)


def _filled(text: str, facts: dict[str, str]) -> str:
    for name, value in facts.items():
        text = text.replace(f"@{name}@", value)
    return text


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    return folder


def _run(*command: str) -> None:
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(made_at())}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
