"""Makes everything that a site can install: ``dist/packages``, from the binaries in ``dist/edge-agent``.

    python packaging/make_packages.py [--tree DIR] [--output DIR] [--only KIND] [--root root.json] [--level N]

The single file, a tar archive, .deb, .rpm, the bill of materials, and the sums of them all, which
``release.py sign-packages`` signs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from artefacts import ROOT, SIGNATURE, Tree, sums, tar, xz
from selfinstalling import write_single_file
from system_packages import write_deb, write_rpm

_NEEDED = {"deb": ("dpkg-deb", "dpkg"), "rpm": ("rpmbuild", "rpm")}
"""The program that makes a kind, and the Debian package it is from."""


def main() -> int:
    """Make what was asked for, and return the exit code."""
    arguments = _arguments()
    tree, output, level = Tree.at(arguments.tree), arguments.output.absolute(), arguments.level
    output.mkdir(parents=True, exist_ok=True)
    for outdated in output.glob(f"*{SIGNATURE}"):
        outdated.unlink()
    work = output.parent / "packages.build"
    if arguments.root is not None:
        if (wrong := _wrong_with(arguments.root)) is not None:
            sys.stderr.write(f"{arguments.root} is no root of trust: {wrong}. Take N.root.json of the repository.\n")
            return 2
        tree = tree.with_root(arguments.root, work / "tree")
    makers: dict[str, Callable[[], Path]] = {
        "single": lambda: write_single_file(tree, output, level=9 if level is None else level),
        "tar": lambda: _write_tar(tree, output, 6 if level is None else level - 1),
        "sbom": lambda: Path(shutil.copyfile(tree.bill_of_materials, output / f"{tree.name}.cdx.json")),
        "deb": lambda: write_deb(tree, output, work, compression="xz" if level is None else "none"),
        "rpm": lambda: write_rpm(tree, output, work, compression="w6.xzdio" if level is None else f"w{level}.gzdio"),
    }
    missing = []
    for kind in arguments.only or makers:
        program, package = _NEEDED.get(kind, ("", ""))
        if program and shutil.which(program) is None:
            missing.append(f"No {kind}: {program} is missing; install the package {package}.\n")
            continue
        file = makers[kind]()
        sys.stdout.write(f"{file.stat().st_size / 1e6:6.1f} MB  {file}\n")
    shutil.rmtree(work, ignore_errors=True)
    (output / "SHA256SUMS").write_text(sums(output))
    sys.stderr.writelines(missing)
    return 1 if missing else 0


def _wrong_with(root: Path) -> str | None:
    """Return why a file can't be what installations are told to trust; it would be noticed at the first update."""
    from tuf.api.exceptions import RepositoryError
    from tuf.api.metadata import Metadata, Root

    try:
        metadata = Metadata[Root].from_bytes(root.read_bytes())
        metadata.verify_delegate("root", metadata)
    except (OSError, RepositoryError, ValueError) as error:
        return str(error)
    return None if isinstance(metadata.signed, Root) else f"it is {metadata.signed.type} metadata"


def _write_tar(tree: Tree, folder: Path, level: int) -> Path:
    file = folder / f"{tree.name}.tar.xz"
    file.write_bytes(xz(tar(tree.folder), level))
    return file


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make the single file, the archive and the packages of the agent.")
    parser.add_argument("--tree", type=Path, default=ROOT / "dist/edge-agent", help="what make binary made")
    parser.add_argument("--output", type=Path, default=ROOT / "dist/packages", help="where they are made")
    kinds = ["single", "tar", "sbom", "deb", "rpm"]
    parser.add_argument(
        "--root", type=Path, metavar="FILE", help="the publisher's root.json, for what is installed to trust"
    )
    parser.add_argument("--only", action="append", choices=kinds, help="make only this; may be repeated")
    parser.add_argument("--level", type=int, choices=range(1, 10), help="pack in haste, for trying: 1 is the fastest")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
