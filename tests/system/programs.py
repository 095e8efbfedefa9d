"""Programs that stay until they are told to end, and waiting for what they do: every wait is bounded."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 45.0
"""The longest any wait takes. Far more than is needed: it only bounds what would hang."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.25
"""Between two looks. Long waits look less often: with three workers at once, looking is what slows them all down."""


class GaveUpError(AssertionError):
    """What was waited for did not happen."""


def until(
    condition: Callable[[], T | None], what: str, *, patience_s: float = PATIENCE_S, pause_s: float | None = None
) -> T:
    """Return the first answer of ``condition`` that is true.

    Args:
        condition: What is asked for again and again.
        what: What is waited for, in words.
        patience_s: How long.
        pause_s: Between two looks, where that is measured; otherwise they get rarer.

    Raises:
        GaveUpError: if there is none in time.
    """
    begun = time.monotonic()
    while not (answer := condition()):
        waited_s = time.monotonic() - begun
        if waited_s > patience_s:
            raise GaveUpError(f"after {patience_s:.0f} s still not: {what}")
        time.sleep(pause_s or min(max(FIRST_PAUSE_S, waited_s / 10), LONGEST_PAUSE_S))
    return answer


def free_port() -> int:
    """Return a port of the loopback address that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Program:
    """A program that stays until it is told to end."""

    def __init__(self, name: str, argv: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=cwd, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def said(self) -> str:
        """Return what it wrote to its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def terminate(self) -> None:
        """Ask it to end."""
        if self.is_alive:
            self._process.terminate()

    def kill(self) -> None:
        """End it as a power cut would: nothing of it runs any more."""
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def ended(self) -> int:
        """Wait for its end and return its exit code."""
        try:
            return self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise GaveUpError(f"{self.name} does not end; it said:\n{self.said()[-4000:]}") from None
