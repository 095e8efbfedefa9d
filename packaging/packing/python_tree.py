"""The tree of a runtime pack: a Python of one minor version with its standard library, wherever it is put."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from inventory import system_package
from leasehold_agent.packs.machine import platform_name
from leasehold_agent.packs.names import LABEL, Pack
from packing.libraries import Carried, carry_libraries, strip
from packing.run_paths import read_dynamic

_FOLDERS_LEFT_OUT = {
    # What is installed there, and what installs; the library's own tests.
    "site-packages", "dist-packages", "__pycache__", "ensurepip", "test", "tests",
    # Windows on a screen; grammar files that nothing reads any more.
    "idlelib", "tkinter", "turtledemo", "lib2to3",
}  # fmt: skip
_FILES_LEFT_OUT = re.compile(
    # GNU readline and gdbm: their licence would be that of the whole pack. Tests. What only a system's Python has.
    r"(readline|_gdbm|nis|_tkinter|_test.*|_ctypes_test|_xxtestfuzz|xxlimited.*)\..*\.so"
    r"|turtle\.py|sitecustomize\.py|EXTERNALLY-MANAGED|.*\.pyc"
)
_MOVED = "/python"
"""What stands in the records of the build for the folder that it was built for."""
_ASK = """\
import json, os, sys, sysconfig
print(json.dumps({
    "version": ".".join(map(str, sys.version_info[:3])), "level": sys.version_info.releaselevel,
    "program": os.path.realpath(sys._base_executable), "prefix": sys.base_prefix,
    "library": sysconfig.get_path("platstdlib", vars={"platbase": sys.base_exec_prefix}),
}))
"""


class NoPackError(Exception):
    """No pack can be made of it. The message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A tree that was made."""

    pack: Pack
    tree: Path
    carried: Carried
    without_licence: tuple[str, ...] = ()
    """Carried libraries whose licence was not found: whoever publishes the pack has to put its text there."""


def make_python_tree(python: Path, folder: Path, *, build: int = 1) -> Made:
    """Make the tree of a pack below ``folder``, from an installed Python; nothing of that is changed.

    Args:
        python: an interpreter; of one in a virtual environment the one below is taken.
        folder: where the tree is made.
        build: how often a pack of this version was made.

    Raises:
        NoPackError: it is no Python that packs are made of.
        RunPathError: it can't be made to be moved.
    """
    facts = _asked(python)
    version = facts["version"]
    name = f"python{version.rpartition('.')[0]}"
    pack = Pack(name, version if build == 1 else f"{version}+{build}", platform_name())
    tree = folder / pack.name
    if tree.exists():
        raise NoPackError(f"{tree} is there already: name a new folder")
    library = tree / "lib" / pack.name
    shutil.copytree(Path(facts["library"]), library, ignore=_left_out, symlinks=False)
    (tree / "bin").mkdir()
    shutil.copyfile(facts["program"], tree / pack.starts)
    (tree / pack.starts).chmod(0o755)
    modules = sorted((library / "lib-dynload").glob("*.so"))
    carried = carry_libraries(tree, [tree / pack.starts, *modules])
    libraries = sorted((tree / "lib").glob("*.so*"))
    _let_find_each_other(tree, libraries)
    strip([tree / pack.starts, *modules, *libraries])
    _forget_builder(library, facts["prefix"])
    without_licence = _write_licences(tree, carried, Path(facts["prefix"], "share/licences"))
    write_label(tree, pack)
    _compile(tree / pack.starts, library, tree)
    return Made(pack=pack, tree=tree, carried=carried, without_licence=without_licence)


def write_label(tree: Path, pack: Pack) -> None:
    """Write into a tree which pack it is, and on which systems it can run."""
    found = [read_dynamic(file) for file in tree.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc")]
    versions = [one.glibc for one in found if one is not None and one.glibc is not None]
    oldest = {"glibc": "{}.{}".format(*max(versions))} if versions else {}
    (tree / LABEL).write_text(json.dumps(pack.label | oldest) + "\n")


def _asked(python: Path) -> dict[str, str]:
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", _ASK], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
        )
        facts: dict[str, str] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise NoPackError(f"{python} is no Python that starts here: {error}") from error
    if facts["level"] != "final":
        raise NoPackError(f"{python} is a pre-release of Python {facts['version']}: packs are made of releases")
    if not Path(facts["library"], "lib-dynload").is_dir():
        raise NoPackError(f"{python} has no modules in {facts['library']}/lib-dynload")
    return facts


def _left_out(folder: str, names: list[str]) -> set[str]:
    return {
        name
        for name in names
        if name in _FOLDERS_LEFT_OUT
        or name.startswith("config-")
        or _FILES_LEFT_OUT.fullmatch(name)
        or not Path(folder, name).exists()  # a link to what this machine does not have
    }


def _let_find_each_other(tree: Path, libraries: list[Path]) -> None:
    for library in libraries:
        if read_dynamic(library) is not None:
            carry_libraries(tree, [library])


def _forget_builder(library: Path, prefix: str) -> None:
    """Take the folder of the machine that built it out of the records that tasks can read."""
    for file in library.glob("_sysconfigdata_*.py"):
        file.write_text(file.read_text().replace(prefix, _MOVED))


def _write_licences(tree: Path, carried: Carried, of_builder: Path) -> tuple[str, ...]:
    """Write the licences of all that is inside; return the libraries of which none was found.

    Args:
        tree: the pack.
        carried: its libraries; those from packages of this system have their licences there.
        of_builder: where a build from source leaves the licences of what it was built with, if it does.
    """
    folder = tree / "licences"
    folder.mkdir()
    for file in (tree / "lib").glob("python3*/LICENSE.txt"):
        shutil.copyfile(file, folder / "CPython.txt")
    texts = sorted(of_builder.glob("*.txt"))
    for text in texts:
        shutil.copyfile(text, folder / text.name)
    without: list[str] = []
    for library in carried.inside:
        package = system_package(library.resolve())
        if package is not None and package.texts:
            (folder / f"{package.name}.txt").write_text("\n".join(package.texts))
        elif not (texts and library.is_relative_to(of_builder.parents[1])):
            without.append(library.name)
    return tuple(without)


def _compile(program: Path, library: Path, tree: Path) -> None:
    """Compile the library, so that no task does: byte code that is believed unchecked, for packs are never changed."""
    command = [str(program), "-I", "-S", "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    environ = {"PATH": os.defpath, "PYTHONHASHSEED": "0"}
    command += ["-s", str(tree), "-p", _MOVED, str(library)]
    done = subprocess.run(command, check=False, env=environ, capture_output=True, text=True)
    if done.returncode:
        last = (f"{done.stdout}\n{done.stderr}".strip().splitlines() or ["it says nothing"])[-1]
        raise NoPackError(f"the library can't be compiled by {program}: {last}")
