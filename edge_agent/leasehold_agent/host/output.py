"""One output stream's way into the log: masked, framed in lines, stamped with the time it was read."""

from __future__ import annotations

import asyncio

from leasehold.runtime.rules.masking import MaskedStream, Secrets
from leasehold.runtime.rules.program_results import ResultCapture
from leasehold_agent.host import instants
from leasehold_agent.host.lines import Lines
from leasehold_agent.host.spool import Spool

_HOLD_S = 1.0
"""How long an unfinished line (a prompt, a progress bar) is held before it is shown."""


class Output:
    """The sink of one stream."""

    def __init__(self, source: str, *, spool: Spool, secrets: Secrets, capture: ResultCapture | None = None) -> None:
        self._spool = spool
        self._masked = MaskedStream(secrets)
        self._lines = Lines(source)
        self._capture = capture
        self._hold: asyncio.TimerHandle | None = None

    def feed(self, data: bytes) -> None:
        """Take in the next piece of output."""
        if self._capture is not None:
            self._capture.feed(data)
        self._keep(self._lines.feed(self._masked.feed(data), instants.now()))
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None
        if self._lines.holds:
            self._hold = asyncio.get_running_loop().call_later(_HOLD_S, self._show_held)

    def finish(self) -> None:
        """The stream has ended: nothing more is held back."""
        if self._hold is not None:
            self._hold.cancel()
        at = instants.now()
        self._keep(self._lines.feed(self._masked.finish(), at) + self._lines.flush(at, ended=True))

    def _show_held(self) -> None:
        self._hold = None
        self._keep(self._lines.flush(instants.now(), ended=False))

    def _keep(self, lines: bytes) -> None:
        if lines:
            self._spool.log.append(lines)
            self._spool.touch()
