"""When that which checks messages is built: with their definition, or when each is first used.

A command that ends soon uses few of them, and so does an agent: what nobody sends or reads takes 6 MiB of its memory.
The service builds all of them when it starts, for its first requests' sake. Pydantic builds one at a time, whatever the
number of threads (from 2.14 on).
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
