"""A copy of this system that is thrown away: an overlay over the root directory, in a mount namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

SIZE_MB = 512
_PATIENCE_S = 120
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SUDO = """\
#!/bin/sh
# What is typed of sudo, for root: as another user, or as oneself.
[ "$1" = -u ] || exec "$@"
user=$2
shift 2
exec setpriv --reuid "$user" --regid "$user" --clear-groups "$@"
"""
_MAKE = """\
set -e
mount --make-rprivate /
mount -t tmpfs -o size=$2m,mode=755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount --rbind /proc "$1/root/proc"
mount --bind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/run"
mount -t tmpfs -o mode=1777 tmpfs "$1/root/tmp"
echo made
exec sleep infinity
"""


class ScratchSystem:
    """Runs commands in the copy, and looks into it."""

    def __init__(self, home: Path, keeper: int) -> None:
        self._home = home
        self._keeper = keeper
        self._started: list[subprocess.Popen[bytes]] = []

    def path(self, name: str) -> Path:
        """Return where a file of the copy is, seen from here."""
        return Path(f"/proc/{self._keeper}/root{self._home}/root{name}")

    def bring(self, file: Path, name: str) -> None:
        """Copy a file into it."""
        shutil.copyfile(file, self.path(name))

    def add_sudo(self) -> None:
        """Have ``sudo`` in it, as far as root needs it."""
        sudo = self.path("/usr/local/bin/sudo")
        sudo.write_text(_SUDO)
        sudo.chmod(0o755)

    def run(self, *argv: str, stdin: str | None = None, fails: bool = False) -> str:
        """Run a command in it to its end, and return what it wrote."""
        done = subprocess.run(
            self._inside(argv),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
        )
        is_code = done.returncode == 0 or argv[:2] == ("edge-agent", "status")
        assert is_code is not fails, f"{argv} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        """Start a program that stays."""
        with (self._home.parent / f"program-{len(self._started)}.log").open("ab") as log:
            program = subprocess.Popen(self._inside(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._started.append(program)
        return program

    def fill(self, *, leave_mb: int) -> None:
        """Fill its disk but for so much."""
        room = os.statvfs(self.path("/"))
        with self.path("/root/filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, room.f_bavail * room.f_bsize - leave_mb * 1024 * 1024)

    def close(self) -> None:
        """End whatever still runs in it: its programs are found by the directory they were started from."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                inside = os.readlink(process / "root").startswith(str(self._home))  # noqa: PTH115 - as text
            except OSError:
                continue
            if inside:
                subprocess.run(["kill", "-KILL", process.name], check=False, capture_output=True)
        for program in self._started:
            program.wait(_PATIENCE_S)

    def _inside(self, argv: Sequence[str]) -> list[str]:
        enter = ["nsenter", f"--mount=/proc/{self._keeper}/ns/mnt", "--", "chroot", f"{self._home}/root"]
        return [*enter, "env", "-i", _PATH, "HOME=/root", "LANG=C.UTF-8", *argv]


@contextmanager
def opened(folder: Path) -> Iterator[ScratchSystem]:
    """Make a copy for a while; where that is not allowed the test is skipped."""
    home = folder / "scratch"
    home.mkdir()
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("dpkg") is None:
        pytest.skip("a copy of this system takes root, unshare and dpkg")
    command = ["unshare", "--mount", "sh", "-c", _MAKE, "sh", str(home), str(SIZE_MB)]
    keeper = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert keeper.stdout is not None
    assert keeper.stderr is not None
    try:
        if keeper.stdout.readline() != b"made\n":
            pytest.skip(f"no copy of this system can be made here: {keeper.stderr.read().decode().strip()}")
        system = ScratchSystem(home, keeper.pid)
        try:
            yield system
        finally:
            system.close()
    finally:
        keeper.kill()
        keeper.communicate()
