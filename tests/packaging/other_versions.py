"""The same binary under other versions, and packages of them, packed for speed: what an upgrade is tried with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.packaging.paths import PACKAGING

_CODE = """\
import sys
from pathlib import Path
from artefacts import Tree
from system_packages import write_deb, write_rpm

tree, folder, maker, compression = sys.argv[1:]
to = Path(folder)
print(globals()[maker](Tree.at(Path(tree)), to, to / f"work-{maker}", compression=compression))
"""


def make_version(binary: Path, tree: Path, version: str) -> Path:
    """Make a tree of the binary that is ``version``; its files are the same ones on the disk: never write into them."""
    shutil.copytree(binary, tree, symlinks=True, copy_function=_link)
    about = tree / "_internal/about/build.json"
    facts = json.loads(about.read_text())
    about.unlink()
    about.write_text(json.dumps(facts | {"version": version}))
    return tree


def _link(source: str, target: str) -> None:
    """Link, where one file system holds both."""
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


def make_package(binary: Path, folder: Path, version: str, maker: str, compression: str) -> Path:
    """Return a package of the binary that says it is ``version``.

    Args:
        maker: ``write_deb`` or ``write_rpm``.
        compression: how it is packed, in the words of that format.
    """
    tree = make_version(binary, folder / f"tree-{version}", version)
    command = [sys.executable, "-c", _CODE, str(tree), str(folder), maker, compression]
    return Path(subprocess.check_output(command, cwd=PACKAGING, text=True).strip())
