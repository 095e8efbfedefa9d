"""Unix sockets under paths of any length: the kernel's limit of 108 bytes is shorter than many a state directory."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_LONGEST = 100


@contextmanager
def reachable(path: Path) -> Generator[str, None, None]:
    """Give a name of ``path`` that is short enough for ``bind`` and ``connect``, while the block lasts."""
    text = str(path)
    if len(os.fsencode(text)) <= _LONGEST:
        yield text
        return
    fd = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}"
    finally:
        os.close(fd)
