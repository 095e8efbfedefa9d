"""Sees that a pack is what it says, and works on this machine, before any task has it."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

from leasehold_agent.packs.machine import own_glibc
from leasehold_agent.packs.names import LABEL, UV, BadPackError, Pack, glibc_labelled, pack_labelled

_START_S = 60.0
_ASK_FOR_ANOTHER = "It needs a newer system, or a library that is not here: ask its publisher for one that does not."
_NO_PROGRAMS = "Is the state directory mounted noexec? Then name another: --state-dir DIR."
# The modules that lead to libraries: what is missing on this machine is found out now, and not by a task.
_ASK_PYTHON = """\
import bz2, ctypes, hashlib, lzma, sqlite3, ssl, sys, sysconfig, zlib
print(*sys.version_info[:3], sep=".", end=" ")
print(sys.base_prefix)
"""


def check_label(tree: Path, pack: Pack) -> None:
    """Hold what an unpacked tree says of itself against what was asked for, and against this machine.

    Raises:
        BadPackError: it is another one, or can't run here.
    """
    try:
        content = (tree / LABEL).read_bytes()
    except FileNotFoundError:
        raise BadPackError(f"there is no {LABEL} in it") from None
    said, needs, has = pack_labelled(content), glibc_labelled(content), own_glibc()
    if said != pack:
        raise BadPackError(f"it says that it is {said.name} {said.version} for {said.platform}")
    if not (tree / pack.starts).is_file():
        raise BadPackError(f"there is no {pack.starts} in it")
    if not os.access(tree / pack.starts, os.X_OK):
        raise BadPackError("its program may not be started here", cure=_NO_PROGRAMS)
    if needs is not None and has is not None and needs > has:
        text = f"it needs glibc {needs[0]}.{needs[1]} or newer, and here is {has[0]}.{has[1]}"
        raise BadPackError(f"it does not work on this machine: {text}", cure=_ASK_FOR_ANOTHER)


def try_pack(tree: Path, pack: Pack) -> None:
    """Start the program of a pack, and let it say its version; a Python has to find its own library, too.

    Raises:
        BadPackError: it does not start here, or is another one.
    """
    program = str(tree / pack.starts)
    if pack.name == UV:
        name, version, _ = f"{_said_by([program, '--version'])} - -".split(maxsplit=2)
        if (name, version) != (UV, pack.inside):
            raise BadPackError(f"its program says that it is {name} {version}")
        return
    version, _, home = _said_by([program, "-I", "-S", "-X", "utf8", "-c", _ASK_PYTHON]).strip().partition(" ")
    if version != pack.inside or not version.startswith(pack.name.removeprefix("python") + "."):
        raise BadPackError(f"its program says that it is Python {version}")
    if Path(home).resolve() != tree.resolve():
        raise BadPackError(f"its Python looks for its library in {home}: it was not made to be moved")


def _said_by(command: list[str]) -> str:
    # Nothing of the surroundings: PYTHONHOME, for one, would lead it elsewhere.
    environ = {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": "/nonexistent"}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_START_S,
            check=True,
            stdin=subprocess.DEVNULL,
            env=environ,
            cwd="/",
        )
    except subprocess.CalledProcessError as problem:
        last = (str(problem.stderr).strip().splitlines() or [f"exit code {problem.returncode}"])[-1]
        raise BadPackError(f"it does not work on this machine: {last[-300:]}", cure=_ASK_FOR_ANOTHER) from None
    except subprocess.TimeoutExpired:
        raise BadPackError(f"it does not work on this machine: it says nothing for {_START_S:.0f} s") from None
    except OSError as problem:
        cure = _NO_PROGRAMS if problem.errno == errno.EACCES else _ASK_FOR_ANOTHER
        raise BadPackError(f"it does not start on this machine: {problem.strerror}", cure=cure) from None
    return done.stdout
