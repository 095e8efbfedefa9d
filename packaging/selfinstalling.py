"""The single file that one downloads: a shell script that checks the machine, and the tree behind it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from artefacts import ROOT, Tree, gz, tar

_HEADER = ROOT / "packaging/single_file/header.sh"


def write_single_file(tree: Path | Tree, folder: Path, *, level: int = 9) -> Path:
    """Write ``edge-agent-<version>-<architecture>`` into a folder, and return it."""
    tree = tree if isinstance(tree, Tree) else Tree.at(tree)
    payload = gz(tar(tree.folder), level)
    header = _HEADER.read_text()
    facts = {
        "VERSION": tree.version,
        "ARCHITECTURE": tree.architecture,
        "GLIBC": tree.glibc,
        "FIRST_LINE": str(header.count("\n") + 1),
        "BYTES": str(len(payload)),
        # Unpacked, and linked from there: half as much again for what links can't spare.
        "ROOM_KB": str(tree.size * 5 // 4 // 1024),
        "SHA256": hashlib.sha256(payload).hexdigest(),
    }
    for name, value in facts.items():
        header = header.replace(f"@{name}@", value)
    file = folder / tree.name
    file.write_bytes(header.encode() + payload)
    file.chmod(0o755)
    return file
