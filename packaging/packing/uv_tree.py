"""The tree of a uv pack: the program out of uv's wheel, whose hash is in requirements/uv.txt."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from pathlib import Path

from leasehold_agent.packs.machine import platform_name
from leasehold_agent.packs.names import UV, Pack
from packing.libraries import Carried
from packing.python_tree import Made, NoPackError, write_label


def make_uv_tree(wheel: Path, lock: Path, folder: Path, *, build: int = 1) -> Made:
    """Make the tree of a pack below ``folder``, from a wheel for this machine.

    Raises:
        NoPackError: the lock does not have the wheel's hash, or it holds no uv.
    """
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if f"sha256:{sha256}" not in lock.read_text():
        raise NoPackError(f"{wheel.name} is not what {lock} has the hash of: fetch it again, or lock again")
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        program = next((name for name in names if name.endswith(f".data/scripts/{UV}")), None)
        if program is None:
            raise NoPackError(f"{wheel.name} holds no program {UV}")
        with tempfile.TemporaryDirectory() as aside:
            Path(aside, UV).write_bytes(opened.read(program))
            made = write_uv_tree(Path(aside, UV), wheel.name.split("-")[1], folder, build=build)
        for name in names:
            if ".dist-info/licenses/" in name and not name.endswith("/"):
                (made.tree / "licences" / Path(name).name).write_bytes(opened.read(name))
    return made


def write_uv_tree(program: Path, version: str, folder: Path, *, build: int = 1) -> Made:
    """Make the tree of a pack of a program, less its licences."""
    pack = Pack(UV, version if build == 1 else f"{version}+{build}", platform_name())
    tree = folder / UV
    (tree / "bin").mkdir(parents=True)
    (tree / "licences").mkdir()
    shutil.copyfile(program, tree / pack.starts)
    (tree / pack.starts).chmod(0o755)
    write_label(tree, pack)
    return Made(pack=pack, tree=tree, carried=Carried(inside=(), left=()))
