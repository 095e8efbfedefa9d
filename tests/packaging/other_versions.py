"""Packages of the same binary under other versions, packed for speed: what an upgrade is tried with."""

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


def make_package(binary: Path, folder: Path, version: str, maker: str, compression: str) -> Path:
    """Return a package of the binary that says it is ``version``.

    Args:
        maker: ``write_deb`` or ``write_rpm``.
        compression: how it is packed, in the words of that format.
    """
    tree = folder / f"tree-{version}"
    shutil.copytree(binary, tree, symlinks=True)
    about = tree / "_internal/about/build.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"version": version}))
    command = [sys.executable, "-c", _CODE, str(tree), str(folder), maker, compression]
    return Path(subprocess.check_output(command, cwd=PACKAGING, text=True).strip())
