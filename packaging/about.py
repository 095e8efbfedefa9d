"""Writes what the binary says of itself: facts of the build, licences, and the bill of materials (CycloneDX)."""

from __future__ import annotations

import json
import os
import platform
import re
import ssl
import subprocess
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from inventory import Component, components

FOLDER = "_internal/about"
_GLIBC = re.compile(rb"GLIBC_(\d+)\.(\d+)")


def write_about(tree: Path, sources: Iterable[Path], *, work: Path, digest: str) -> None:
    """Write ``_internal/about`` of a tree: ``build.json``, ``licences.json``, ``sbom.cdx.json``.

    Args:
        tree: the folder with ``edge-agent``.
        sources: every file that went into it.
        work: where the build kept what it made on the way.
        digest: one value for what it was made of.
    """
    folder = tree / FOLDER
    folder.mkdir(exist_ok=True)
    inside = components(sources, work)
    own = version("leasehold-agent")
    facts = {
        "version": own,
        "architecture": platform.machine(),
        "inputs": f"sha256:{digest}",
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "pyinstaller": version("pyinstaller"),
        "glibc": ".".join(map(str, glibc_needed(tree))),
    }
    _write(folder / "build.json", facts)
    _write(folder / "licences.json", [_licence(one) for one in inside])
    _write(folder / "sbom.cdx.json", bill_of_materials(inside, own, digest))


def bill_of_materials(inside: Sequence[Component], own: str, digest: str) -> dict[str, object]:
    """Return a CycloneDX document. It has a date only where SOURCE_DATE_EPOCH gives one: two builds are the same."""
    about = {"type": "application", "name": "edge-agent", "version": own, "purl": f"pkg:generic/edge-agent@{own}"}
    metadata: dict[str, object] = {"component": about}
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        metadata["timestamp"] = datetime.fromtimestamp(int(epoch), UTC).isoformat()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'edge-agent:{digest}')}",
        "version": 1,
        "metadata": metadata,
        "components": [
            {
                "type": "library",
                "bom-ref": one.purl,
                "name": one.name,
                "version": one.version,
                "purl": one.purl,
                "licenses": [{"license": {"name": one.licence}}],
            }
            for one in inside
        ],
    }


def glibc_needed(tree: Path) -> tuple[int, int]:
    """Return the oldest glibc that every program and library of a tree can be loaded with."""
    needed = (2, 0)
    for file in tree.rglob("*"):
        if file.is_symlink() or not file.is_file() or file.read_bytes()[:4] != b"\x7fELF":
            continue
        shown = subprocess.run(["objdump", "-T", str(file)], capture_output=True, check=False).stdout  # noqa: S607 - the build looked for it
        undefined = b"\n".join(line for line in shown.splitlines() if b"*UND*" in line)
        needed = max([needed, *((int(major), int(minor)) for major, minor in _GLIBC.findall(undefined))])
    return needed


def _licence(one: Component) -> dict[str, object]:
    return {"name": one.name, "version": one.version, "licence": one.licence, "texts": list(one.texts)}


def _write(file: Path, what: object) -> None:
    file.write_text(json.dumps(what, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
