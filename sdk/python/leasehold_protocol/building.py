"""When that which checks messages is built: with their definition, or when each is first used.

A command that ends soon uses few of them. Services build all of them when they start: what is built at first use may be
built in two threads at once.
"""

from __future__ import annotations

_deferred = False


def defer() -> None:
    """Build it at first use, for messages that are defined from now on."""
    global _deferred
    _deferred = True


def is_deferred() -> bool:
    """Whether ``defer`` was called."""
    return _deferred
