"""What Linux offers and Python's standard library does not: see prctl(2)."""

from __future__ import annotations

import ctypes

_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None)


def become_subreaper() -> None:
    """Make this process the parent of every descendant that loses its own: nothing of a tree can slip away."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def shut_memory(*, shut: bool) -> None:
    """Let no other process of this user trace this one, or its children after a fork; or let them again."""
    _libc.prctl(_PR_SET_DUMPABLE, int(not shut), 0, 0, 0)


def write_memory(address: int, content: bytes) -> None:
    """Overwrite memory of this process."""
    ctypes.memmove(address, content, len(content))
