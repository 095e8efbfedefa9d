"""How many leases the API may still send on a stream: pure counting.

Counted from the stream's beginning: ``granted`` in all, ``received`` in all. So a grant that comes twice, late, or out
of order changes nothing; the newest number counts.
"""

from __future__ import annotations

from leasehold_protocol.v1.grants import StreamGrant
from leasehold_protocol.v1.stream import StreamLine


class Credits:
    """The agent's side of one stream."""

    def __init__(self, stream: int, free_slots: int) -> None:
        self.stream = stream
        self.granted = free_slots
        """In all, as it was last told."""
        self._received = 0
        self._number = 0
        self._was_heard = True

    @property
    def are_out(self) -> bool:
        """The API may send leases."""
        return self.granted > self._received

    def heard(self, line: StreamLine) -> None:
        """Count what came. A keep-alive that names an older grant shows that the newest was lost."""
        self._received += len(line.leases)
        if line.granted is not None and line.kind == "keepalive" and line.granted != self.granted:
            self._was_heard = False

    def is_news(self, open_slots: int) -> bool:
        """Tell whether the API should hear of a new grant."""
        return not self._was_heard or self._received + open_slots != self.granted

    def grant(self, open_slots: int) -> StreamGrant:
        """Return the grant that lets the API fill ``open_slots``; from now on it counts as told."""
        self._number += 1
        self.granted = self._received + open_slots
        self._was_heard = True
        return StreamGrant(stream=self.stream, number=self._number, granted=self.granted)

    def forget(self, grant: StreamGrant | None) -> None:
        """Nobody knows whether a grant arrived."""
        if grant is not None and grant.stream == self.stream:
            self._was_heard = False
