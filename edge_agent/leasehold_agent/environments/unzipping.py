"""An environment for the binary's own interpreter: wheels, unzipped into a folder that it finds by itself.

Standard library only. What is unzipped was held against the lock's hashes first, from the same open file.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO

from leasehold_agent.environments.carried import CarriedWheel
from leasehold_agent.environments.pythons import Interpreter
from leasehold_agent.environments.wheel_scripts import BadEntryPointError, commands, with_interpreter

_PIECE = 256 * 1024
_SMALL = 1024 * 1024
"""What is read whole: scripts that name their interpreter, and lists of entry points."""
_SPARE = 64 * 1024 * 1024
"""Bytes that stay free on the disk."""
_ENCRYPTED = 0x1
_WHEEL_FORMAT = re.compile(r"^Wheel-Version:\s*([0-9]+)\.", re.MULTILINE)


_CURE = ": have its maker correct it, or give the site a Python and uv (edge-agent packs add …), which may take it"


_UNREADABLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, IndexError, ValueError)
"""What a damaged archive makes of its reader; what is refused here is one of these too."""


class BadWheelError(Exception):
    """A wheel that can't be unzipped. The message says which, why, and what to do."""


class HaltedError(Exception):
    """Whoever asked does not want it any more."""


def unzip(
    target: Path,
    wheels: Sequence[CarriedWheel],
    python: Interpreter,
    halt: threading.Event,
    say: Callable[[str], object],
) -> None:
    """Make an environment in an empty place. Blocks.

    Args:
        target: A folder that is not there yet.
        wheels: Of what it is made.
        python: The interpreter that runs in it.
        halt: Set by whoever does not want it any more.
        say: Told about each wheel.

    Raises:
        BadWheelError: a wheel is not what it should be.
        HaltedError: ``halt`` was set.
        OSError: the disk is full, for example.
    """
    with ExitStack() as files:
        checked = [(wheel, _opened(wheel, files.enter_context(wheel.path.open("rb")), halt)) for wheel in wheels]
        needed = sum(member.file_size for _, archive in checked for member in archive.infolist())
        target.mkdir(mode=0o700)
        free = shutil.disk_usage(target).free
        if needed + _SPARE > free:
            raise BadWheelError(
                f"the packages take {needed // 1024**2 + 1} MiB, and the site's disk has {free // 1024**2} MiB left: "
                "make room in its state directory"
            )
        environment = _Environment(target, python, halt)
        for wheel, archive in checked:
            say(f"  unzipping {wheel.file}")
            try:
                environment.add(archive)
            except _UNREADABLE as problem:
                raise BadWheelError(f"{wheel.file} can't be unzipped: {problem}{_CURE}") from None
            except OSError as problem:
                if problem.errno != errno.EINVAL:
                    raise
                text = "it says that a file begins where it has nothing"  # and the reader was sent there
                raise BadWheelError(f"{wheel.file} can't be unzipped: {text}{_CURE}") from None


def _opened(wheel: CarriedWheel, file: IO[bytes], halt: threading.Event) -> zipfile.ZipFile:
    """Return a wheel whose content has its hash; what is read from it later is read from the same open file."""
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        _go_on(halt)
        digest.update(piece)
    if digest.hexdigest() != wheel.sha256:
        wheel.path.unlink(missing_ok=True)
        raise BadWheelError(
            f"{wheel.file} on this site's disk is not what the lock names (its SHA-256 is another): nothing of it was "
            "used, and it was removed; the next attempt fetches it again"
        )
    try:
        return zipfile.ZipFile(file)
    except _UNREADABLE as problem:
        raise BadWheelError(f"{wheel.file} is no wheel: {problem}{_CURE}") from None


class _RefusedError(ValueError):
    """Something in a wheel that nothing is made of. The message says what."""


class _Environment:
    """The folder that is filled. Each path is written once: a second wheel may only bring the same content."""

    def __init__(self, root: Path, python: Interpreter, halt: threading.Event) -> None:
        self._root, self._halt = root, halt
        major, minor, _ = python.version
        self._packages = PurePosixPath("lib", f"python{major}.{minor}", "site-packages")
        self._python = str(root / "bin" / "python")
        self._written: dict[PurePosixPath, str | None] = dict.fromkeys(
            map(PurePosixPath, ("pyvenv.cfg", "environment.json", "requirements.lock"))
        )
        (root / self._packages).mkdir(parents=True)
        (root / "bin").mkdir()
        # Into the tree of this very version: a link that is put to the next one would be another interpreter.
        real = os.path.realpath(python.path)
        for name in ("python", "python3", f"python3.{minor}"):
            (root / "bin" / name).symlink_to(real if name == "python" else "python")
            self._written[PurePosixPath("bin", name)] = None
        home = os.path.dirname(real)  # noqa: PTH120 - a string, as its neighbour
        (root / "pyvenv.cfg").write_text(
            f"home = {home}\ninclude-system-site-packages = false\nversion = {python.spelled}\n", encoding="utf-8"
        )

    def add(self, archive: zipfile.ZipFile) -> None:
        """Unzip one wheel."""
        members = [(_safe_path(member), member) for member in archive.infolist()]
        info = _info_folder({path.parts[0] for path, _ in members if len(path.parts) > 1})
        _check_format(archive, info)
        data = f"{info.removesuffix('.dist-info')}.data"
        for path, member in members:
            _go_on(self._halt)
            if member.is_dir():
                continue
            if path.parts[0] != data:
                self._put(self._packages / path, archive, member)
                continue
            kind, rest = (path.parts[1], PurePosixPath(*path.parts[2:])) if len(path.parts) > 2 else ("", path)
            match kind:
                case "purelib" | "platlib":
                    self._put(self._packages / rest, archive, member)
                case "data":
                    self._put(rest, archive, member)
                case "scripts" if len(rest.parts) == 1:
                    self._put_script(PurePosixPath("bin") / rest, archive, member)
                case "headers":  # nothing is compiled at a site
                    pass
                case _:
                    raise _RefusedError(f"it has {member.filename!r}, which belongs nowhere")
        self._add_commands(archive, f"{info}/entry_points.txt")

    def _add_commands(self, archive: zipfile.ZipFile, file: str) -> None:
        if file not in archive.NameToInfo:
            return
        try:
            for name, content in commands(_small(archive, archive.getinfo(file)).decode(), self._python):
                self._write(PurePosixPath("bin", name), [content], is_program=True)
        except (BadEntryPointError, UnicodeDecodeError) as problem:
            raise _RefusedError(str(problem)) from None

    def _put_script(self, path: PurePosixPath, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
        if member.file_size > _SMALL:  # a program that is compiled names no interpreter
            self._put(path, archive, member, is_program=True)
        else:
            content = with_interpreter(_small(archive, member), self._python)
            self._write(path, [content], is_program=True)

    def _put(
        self, path: PurePosixPath, archive: zipfile.ZipFile, member: zipfile.ZipInfo, *, is_program: bool = False
    ) -> None:
        with archive.open(member) as content:
            pieces = iter(lambda: content.read(_PIECE), b"")
            self._write(path, pieces, is_program=is_program or bool((member.external_attr >> 16) & 0o111))

    def _write(self, path: PurePosixPath, pieces: Iterable[bytes], *, is_program: bool) -> None:
        if path.parent == self._packages and path.suffix == ".pth":
            raise _RefusedError(f"it has {path.name!r}, which would be code that runs at every start")
        digest = hashlib.sha256()
        if path in self._written:
            for piece in pieces:
                _go_on(self._halt)
                digest.update(piece)
            if self._written[path] != digest.hexdigest():
                raise _RefusedError(f"it brings {str(path)!r}, which is there already with another content")
            return
        target = self._root / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o777 if is_program else 0o666)
        except (FileExistsError, NotADirectoryError):
            raise _RefusedError(f"it brings {str(path)!r}, where a file or a folder is already") from None
        with os.fdopen(fd, "wb") as file:
            for piece in pieces:
                _go_on(self._halt)
                digest.update(piece)
                file.write(piece)
        self._written[path] = digest.hexdigest()


def _safe_path(member: zipfile.ZipInfo) -> PurePosixPath:
    # As it stands in the file: zipfile cuts names at a NUL.
    name = member.orig_filename.removesuffix("/") if member.is_dir() else member.orig_filename
    if "\\" in name or "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise _RefusedError(f"it has {name!r}, which leads out of its folder or is no path")
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFDIR if member.is_dir() else stat.S_IFREG):
        raise _RefusedError(f"it has {name!r}, which is a link or no file")
    if member.flag_bits & _ENCRYPTED or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _RefusedError(f"it has {name!r}, which is encrypted, or packed in a way that wheels are not")
    return PurePosixPath(name)


def _info_folder(folders: Iterable[str]) -> str:
    found = [folder for folder in folders if folder.endswith(".dist-info")]
    if len(found) != 1:
        raise _RefusedError(f"it has {len(found)} folders that end with .dist-info, and should have one")
    return found[0]


def _check_format(archive: zipfile.ZipFile, info: str) -> None:
    file = f"{info}/WHEEL"
    if file not in archive.NameToInfo:
        raise _RefusedError(f"it has no {file}")
    match = _WHEEL_FORMAT.search(_small(archive, archive.getinfo(file)).decode(errors="replace"))
    if match is None or match[1] != "1":
        raise _RefusedError(f"{file} says no version of the format that is known here (1)")


def _small(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.file_size > _SMALL:
        raise _RefusedError(f"{member.filename!r} is too large for what it is")
    return archive.read(member)


def _go_on(halt: threading.Event) -> None:
    if halt.is_set():
        raise HaltedError
