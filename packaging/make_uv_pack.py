"""Makes the tree of a uv pack: dist/packs/uv.

    python packaging/make_uv_pack.py [--wheel FILE] [--output DIR] [--build N]

The wheel is fetched by pip, with the hashes of requirements/uv.txt. ``packaging/release.py add-pack`` publishes the
tree.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from packing.python_tree import NoPackError
from packing.uv_tree import make_uv_tree

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements/uv.txt"


def main() -> int:
    """Make it, and return the exit code."""
    parser = argparse.ArgumentParser(
        description="Make the tree of a uv pack.", epilog="example: python packaging/make_uv_pack.py"
    )
    parser.add_argument("--wheel", type=Path, metavar="FILE", help="uv's wheel, instead of fetching it")
    parser.add_argument("--output", type=Path, default=ROOT / "dist/packs", help="where the folder uv is made")
    parser.add_argument("--build", type=int, default=1, metavar="N", help="2 for the second pack of the same version")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            wheel = arguments.wheel or _fetched(Path(folder))
            made = make_uv_tree(wheel, LOCK, arguments.output, build=arguments.build)
    except (NoPackError, subprocess.CalledProcessError, OSError) as error:
        sys.stderr.write(f"make_uv_pack.py: {error}\n")
        return 1
    sys.stdout.write(f"{made.tree} is {made.pack.name} {made.pack.version} for {made.pack.platform}\n")
    return 0


def _fetched(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--only-binary", ":all:"]
    subprocess.run([*command, "--no-deps", "--dest", str(folder), "-r", str(LOCK)], check=True)
    return next(folder.glob("uv-*.whl"))


if __name__ == "__main__":
    sys.exit(main())
