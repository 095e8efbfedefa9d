"""What an earlier agent left on this disk: which attempts run, which ended, which are lost, and which are done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from leasehold_agent.attempts.directory import AttemptDirectory
from leasehold_agent.delivery.courier import is_covered
from leasehold_agent.delivery.delivered import read_delivered
from leasehold_protocol.v1.agents import AttemptState


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One directory that still needs its agent."""

    directory: AttemptDirectory
    state: AttemptState


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDisk:
    """Every directory, by what is to be done with it."""

    running: list[Found]
    """Their hosts live: they need their agent at once."""
    waiting: list[Found]
    """Ended or lost, and not delivered; oldest first."""
    refused: list[AttemptDirectory]
    """The API can never record them; they wait for a person."""
    covered: list[AttemptDirectory]
    """Delivered whole, oldest first: they stay only as long as ``keep_attempts`` says."""

    @property
    def undelivered(self) -> list[Found]:
        """What the API has not got all of yet."""
        return [*self.running, *self.waiting]


def survey(directories: Iterable[AttemptDirectory]) -> OnDisk:
    """Look at every attempt directory. Nothing is changed."""
    found = OnDisk(running=[], waiting=[], refused=[], covered=[])
    for directory in directories:
        state = directory.state()
        if state is AttemptState.RUNNING:
            found.running.append(Found(directory=directory, state=state))
        elif read_delivered(directory.path).is_refused:
            found.refused.append(directory)
        elif is_covered(directory):
            found.covered.append(directory)
        else:
            found.waiting.append(Found(directory=directory, state=state))
    return found
