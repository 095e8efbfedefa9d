"""How an attempt host reaches the zygote that made it: one socket for all hosts, there since before the fork."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from leasehold.warm.line import LineEndedError, send


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What tasks must have in common to be forked from the same process."""

    team: str
    """Another team's tasks never share it, not even with the same code."""
    python: str
    sdk: str
    bundle: str | None
    memory: int | None
    """Bytes of address space that the site's policy allows."""
    has_packages: bool = False
    """The interpreter is that of an environment with packages."""


class WarmDoor:
    """The end that hosts write to. Nothing comes back on it: answers come over the line that was sent."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def ask_for_keeper(self, environment: Environment) -> socket.socket | None:
        """Return a line on which a keeper will be heard, or its end; None when nobody takes the question."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            if self._say({"keep": asdict(environment)}, [theirs.fileno()]):
                ours.setblocking(False)
                return ours
        ours.close()
        return None

    def tell_imports(self, environment: Environment, modules: Sequence[object]) -> None:
        """Say what the first task of an environment imported."""
        self._say({"imported": asdict(environment), "modules": [str(name) for name in modules]}, [])

    def _say(self, message: dict[str, object], files: list[int]) -> bool:
        try:
            send(self._end, message, files)
        except (LineEndedError, ValueError, OSError):
            return False
        return True


def environment_from(given: object) -> Environment:
    """Return the environment that a host's message describes.

    Raises:
        TypeError: it describes none.
    """
    if not isinstance(given, dict):
        raise TypeError("an environment is an object")
    return Environment(**given)


def make_doors() -> tuple[socket.socket, WarmDoor]:
    """Return the zygote's end, and the one for its hosts."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    # A host waits for its keeper for a bounded time, and never for the question to be taken.
    theirs.setblocking(False)
    os.set_inheritable(theirs.fileno(), False)
    return ours, WarmDoor(theirs)
