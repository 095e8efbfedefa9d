"""Makes the tree of a runtime pack from an installed Python: dist/packs/python3.X.

    python packaging/make_runtime_pack.py /opt/python/bin/python3.12 [--output DIR] [--build N]

docs/howto/packs.md says which Pythons are good for it. ``packaging/release.py add-pack`` publishes the tree.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from packing.python_tree import NoPackError, make_python_tree
from packing.run_paths import RunPathError

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Make it, and return the exit code."""
    parser = argparse.ArgumentParser(
        description="Make the tree of a runtime pack from an installed Python, which stays as it is.",
        epilog="example: python packaging/make_runtime_pack.py /opt/python/bin/python3.12",
    )
    parser.add_argument("python", type=Path, metavar="PYTHON", help="the interpreter")
    parser.add_argument("--output", type=Path, default=ROOT / "dist/packs", help="where the folder python3.X is made")
    parser.add_argument("--build", type=int, default=1, metavar="N", help="2 for the second pack of the same version")
    arguments = parser.parse_args()
    try:
        made = make_python_tree(arguments.python, arguments.output, build=arguments.build)
    except (NoPackError, RunPathError) as error:
        sys.stderr.write(f"make_runtime_pack.py: {error}\n")
        return 1
    sys.stdout.write(f"{made.tree} is {made.pack.name} {made.pack.version} for {made.pack.platform}\n")
    if made.carried.left:
        sys.stdout.write(f"Machines need these libraries of their own: {', '.join(made.carried.left)}\n")
    if made.without_licence:
        sys.stdout.write(f"Put the licences of these into licences/: {', '.join(made.without_licence)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
