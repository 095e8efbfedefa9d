"""Hosts between two attempts: a host that nothing was left in takes the next attempt (``succession.live_on``)."""

from __future__ import annotations

import socket

from leasehold.warm.spares import Spares
from leasehold_agent.host.directory import AttemptDirectory


class SpareHosts(Spares):
    """The hosts that a zygote forked, by the team whose attempt they had."""

    def give_attempt(self, directory: AttemptDirectory, team: object, lock: int, control: socket.socket) -> int | None:
        """Give a team's attempt to a spare host of that team and return its pid; None when there is none.

        Both are the host's then: the attempt's ``host.lock`` and the listening ``host.sock``.
        """
        if not directory.has_short_path():
            return None
        return self.give(team, {"attempt_dir": str(directory.path)}, [lock, control.fileno()])
