"""Builds the binaries twice, elsewhere each time, and says which files differ: ``make reproducible``.

    python packaging/compare.py [TREE TREE]

What a build may depend on is the sources, the locked libraries and the interpreter; not the time, the folder it is put
in, or the order in which a directory lists its files.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

BUILD = Path(__file__).with_name("build.py")


def main(trees: Sequence[str]) -> int:
    """Return 0 when both trees are the same."""
    if trees:
        first, second = map(Path, trees)
        return _compared(first, second)
    with tempfile.TemporaryDirectory(prefix="leasehold-twice-") as folder:
        outputs = [Path(folder) / name for name in ("first", "second/deeper")]
        for output in outputs:
            subprocess.run([sys.executable, str(BUILD), "--output", str(output)], check=True)
        return _compared(*(output / "edge-agent" for output in outputs))


def _compared(first: Path, second: Path) -> int:
    one, other = _files(first), _files(second)
    for name in sorted(one.keys() ^ other.keys()):
        sys.stdout.write(f"only in the {'first' if name in one else 'second'}: {name}\n")
    for name in sorted(name for name in one.keys() & other.keys() if one[name] != other[name]):
        sys.stdout.write(f"differs: {name}\n")
    same = one == other
    sys.stdout.write(f"{len(one)} files: {'the same in both' if same else 'not the same'}\n")
    return 0 if same else 1


def _files(tree: Path) -> dict[str, str]:
    return {
        str(path.relative_to(tree)): f"-> {path.readlink()}" if path.is_symlink() else _digest(path)
        for path in tree.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
