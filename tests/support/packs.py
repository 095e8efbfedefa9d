"""Packs for tests: small ones that only say what they are, and a real Python of this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from leasehold_agent.packs.machine import platform_name
from leasehold_agent.packs.names import UV
from packing.python_tree import Made, make_python_tree

# What asks: the agent which interpreters there are, the release which files are loaded, and both which version it is.
PYTHON = """\
#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd)
case "$*" in
*find_spec*) echo "{words} cpython-pack 0 $here/bin/{name}" ;;
*/proc/self/maps*) ;;
*) echo "{version} $here" ;;
esac
"""
UV_PROGRAM = '#!/bin/sh\necho "uv {version} (made for a test)"\n'


def small_pack(
    folder: Path,
    name: str = "python3.12",
    version: str = "3.12.4",
    *,
    says: str | None = None,
    platform: str | None = None,
    program: str | None = None,
    glibc: str | None = None,
) -> Path:
    """Make the tree of a pack whose program only answers; ``says`` is the version that it gives itself."""
    inside = says or version.partition("+")[0]
    script = UV_PROGRAM if name == UV else PYTHON
    tree = folder / f"{name}-{version}"
    (tree / "bin").mkdir(parents=True)
    (tree / "lib").mkdir()
    (tree / "lib/some.library").write_text(version * 1000)
    label = {"pack": name, "version": version, "platform": platform or platform_name()}
    (tree / "pack.json").write_text(json.dumps(label | ({} if glibc is None else {"glibc": glibc})))
    file = tree / "bin" / name
    file.write_text(program or script.format(words=inside.replace(".", " "), version=inside, name=name))
    file.chmod(0o755)
    return tree


def real_python(folder: Path) -> Made:
    """Make a pack of the Python that runs the tests, as ``packaging/make_runtime_pack.py`` does."""
    return make_python_tree(Path(sys.executable), folder)
