"""Whose code is in the binaries: from the files that were packed to the projects they are from, and their licences."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import Distribution, distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
_TEXT = re.compile(r"(licen[cs]e|copying|notice)", re.IGNORECASE)
_PERMISSIONS = re.compile(r"^License: *(\S.*)$", re.MULTILINE)


class UnknownOriginError(Exception):
    """A packed file is from nobody we know: its licence would be missing."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Component:
    """A project whose code is inside."""

    name: str
    version: str
    licence: str
    """As its makers say it: an SPDX expression, where they do."""
    purl: str
    texts: tuple[str, ...] = field(repr=False)


def components(sources: Iterable[Path], work: Path) -> list[Component]:
    """Return whose code the packed files are, in the order of names; what lies in ``work`` was copied there by us.

    Raises:
        UnknownOriginError: a file is from none of our sources, Python, a library or a package of this system.
    """
    owners = _files_of_distributions()
    found = {_own(), _python(), _boot_loader()}
    for source in {source.absolute() for source in sources}:
        found.add(_component(source, owners, work.resolve()))
    return sorted(found | {_own("leasehold")})


def _component(source: Path, owners: Mapping[Path, Distribution], work: Path) -> Component:
    if source in owners:
        return _library(owners[source])
    resolved = source.resolve()
    if resolved.is_relative_to(Path(sysconfig.get_path("stdlib")).resolve()):
        return _python()
    is_ours = resolved.is_relative_to(ROOT) or resolved.is_relative_to(work)
    if is_ours and "site-packages" not in resolved.parts:
        return _own()
    if "PyInstaller" in source.parts or "_pyinstaller_hooks_contrib" in source.parts:
        return _boot_loader()
    if package := system_package(resolved):
        return package
    if resolved.is_relative_to(Path(sys.base_prefix).resolve()):
        return _python()
    raise UnknownOriginError(f"{source} is in the binary, and nobody knows under which licence")


def _files_of_distributions() -> dict[Path, Distribution]:
    return {
        Path(str(distribution.locate_file(file))).absolute(): distribution
        for distribution in distributions()
        for file in distribution.files or ()
    }


def _library(distribution: Distribution) -> Component:
    facts = distribution.metadata
    name = facts["Name"]
    if name.startswith("leasehold"):
        return _own(name)
    classified = [
        line.rpartition(" :: ")[2] for line in facts.get_all("Classifier") or () if line.startswith("License")
    ]
    short = (facts["License"] or "").strip() if "License" in facts else ""
    licence = facts["License-Expression"] if "License-Expression" in facts else short.partition("\n")[0]
    texts = (
        Path(str(distribution.locate_file(file))).read_text("utf-8", "replace")
        for file in sorted(map(str, distribution.files or ()))
        if ".dist-info/" in file and _TEXT.search(Path(file).name)
    )
    return Component(
        name=name,
        version=distribution.version,
        licence=licence or ", ".join(classified) or "see its text",
        purl=f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{distribution.version}",
        texts=tuple(texts),
    )


def _own(name: str = "leasehold-agent") -> Component:
    version = next(each.version for each in distributions(name=name))
    text = (ROOT / "LICENSE").read_text()
    return Component(name=name, version=version, licence="Apache-2.0", purl=f"pkg:pypi/{name}@{version}", texts=(text,))


def _python() -> Component:
    version = platform.python_version()
    text = (Path(sysconfig.get_path("stdlib")) / "LICENSE.txt").read_text("utf-8", "replace")
    return Component(
        name="CPython", version=version, licence="PSF-2.0", purl=f"pkg:generic/python@{version}", texts=(text,)
    )


def _boot_loader() -> Component:
    (distribution,) = distributions(name="pyinstaller")
    return _library(distribution)


def system_package(file: Path) -> Component | None:
    """Return the Debian package a library is from: dpkg names some files by their place before /usr was merged."""
    if shutil.which("dpkg-query") is None:
        return None
    for name in _names(file):
        asked = ["dpkg-query", "--search", name]
        said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        if said:
            return _debian(said.partition(": ")[0].partition(",")[0])
    return None


def _names(file: Path) -> Iterator[str]:
    yield str(file)
    if str(file).startswith("/usr/"):
        yield str(file).removeprefix("/usr")
    else:
        yield f"/usr{file}"


def _debian(package: str) -> Component:
    name = package.partition(":")[0]
    command = ["dpkg-query", "--show", "--showformat=${Version}", package]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    copyright_file = Path("/usr/share/doc") / name / "copyright"
    text = copyright_file.read_text("utf-8", "replace") if copyright_file.exists() else ""
    names = sorted(set(_PERMISSIONS.findall(text)))
    return Component(
        name=name,
        version=shown.stdout,
        licence=" AND ".join(names) if names else "see its text",
        purl=f"pkg:deb/debian/{name}@{shown.stdout}",
        texts=(text,) if text else (),
    )
