"""File systems of a test's own: small, without programs, or only for reading. They take root."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, *, size_kb: int, options: str = "") -> Iterator[Path]:
    """Mount an empty file system for a while; where that is not allowed the test is skipped."""
    folder.mkdir()
    more = f",{options}" if options else ""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k{more}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def make_read_only(folder: Path) -> None:
    """Mount it again, for reading only."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
