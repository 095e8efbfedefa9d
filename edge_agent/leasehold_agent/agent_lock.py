"""One agent process per state directory: two with one identity would look like a clone, and be locked."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from leasehold_agent.exits import Exit, OperatorError


@contextmanager
def exclusive(state_dir: Path) -> Generator[None, None, None]:
    """Hold the state directory for this process.

    Raises:
        OperatorError: another process holds it, or it can't be used.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(state_dir / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OperatorError(
            Exit.USAGE,
            f"The state directory {state_dir} can't be used: {error.strerror}.",
            "Name another with --state-dir, or run as the user that owns it.",
        ) from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
            raise OperatorError(
                Exit.IN_USE,
                f"Another agent process (pid {holder}) runs on {state_dir}.",
                "Stop it first, or give this one an identity of its own: --state-dir and edge-agent enroll.",
            ) from None
        with suppress(OSError):  # A full disk: the lock holds, only its holder's number is not there.
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)
