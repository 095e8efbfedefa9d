"""The podman of this machine, with a storage of its own and an image made here: no registry is needed."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TOOLS = ("sh", "cat", "echo", "env", "sleep", "ls", "id", "printf", "mkfifo", "test", "true")
_ULIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
"""Podman would raise them for root, which a container that tests run in may not."""


class NoPodmanError(Exception):
    """There is none that can run containers here. The message says why."""


@dataclass
class RealPodman:
    """Podman with its storage in ``folder``."""

    folder: Path
    image: str = "localhost/tools:1"
    options: tuple[str, ...] = ("--network=none", *_ULIMITS)

    @property
    def path(self) -> str:
        return str(self.folder / "podman")

    def start(self) -> None:
        """Make the image.

        Raises:
            NoPodmanError: podman, or what it needs, is not there or does not work.
        """
        found = {name: shutil.which(name) for name in ("podman", "runc", "busybox", "curl")}
        if missing := [name for name, path in found.items() if path is None]:
            raise NoPodmanError(f"not installed: {', '.join(missing)}")
        program = self.folder / "podman"
        self._run = Path(tempfile.mkdtemp(prefix="lhp-"))  # podman wants a path of 50 characters at most
        where = f"--root '{self.folder}/storage' --runroot '{self._run}' --tmpdir '{self._run}/libpod'"
        how = "--storage-driver=vfs --cgroup-manager=cgroupfs --events-backend=none --runtime=runc"
        program.write_text(f'#!/bin/sh\nexec {found["podman"]} {where} {how} "$@"\n')
        program.chmod(0o755)
        archive = self.folder / "root.tar"
        _write_root(archive, busybox=Path(str(found["busybox"])), curl=Path(str(found["curl"])))
        self._ask("import", str(archive), self.image)
        archive.unlink()
        self._ask("run", "--rm", *self.options, self.image, "true")

    def make_image(self, archive: Path, name: str, changes: Sequence[str]) -> None:
        """Make another image, of a tar archive of its file system, and of lines as a Containerfile has them."""
        self._ask("import", *(part for change in changes for part in ("--change", change)), str(archive), name)

    def close(self) -> None:
        """End and remove everything."""
        for name in self.names():
            self._ask("rm", "--force", name)
        shutil.rmtree(self._run, ignore_errors=True)

    def names(self) -> list[str]:
        return self._ask("ps", "--all", "--format", "{{.Names}}").split()

    def _ask(self, *arguments: str) -> str:
        done = subprocess.run([self.path, *arguments], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise NoPodmanError(f"podman {arguments[0]}: {done.stderr.strip()[-300:]}")
        return done.stdout


def _write_root(archive: Path, *, busybox: Path, curl: Path) -> None:
    linked = subprocess.run(["ldd", str(curl)], capture_output=True, text=True, check=True).stdout
    libraries = [Path(path) for path in re.findall(r"(/\S+) \(0x", linked)]
    with tarfile.open(archive, "w") as tar:
        for folder in ("bin", "tmp", "run", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        tar.add(busybox.resolve(), "bin/busybox")
        tar.add(curl.resolve(), "bin/curl")
        for library in libraries:
            tar.add(library.resolve(), str(library).lstrip("/"))
        for tool in _TOOLS:
            link = tarfile.TarInfo(f"bin/{tool}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
