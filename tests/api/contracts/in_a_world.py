"""A small world for a contract, on the database that whoever inherits it names."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from leasehold_api.leases.claimed import Claimed
from leasehold_api.signals import Signal, Topic
from tests.support.databases import open_database
from tests.support.world import World


class InAWorld:
    """Inherited by contracts.

    Attributes:
        published: The signals that were given since the world was made.
    """

    kind: str
    published: list[Signal]

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        with open_database(self.kind) as (database, published):
            self.published = published
            yield await World(database).settle()

    def woken(self) -> int:
        """Return for how many task instances somebody was woken since this was asked last."""
        found = sum(signal.topic is Topic.QUEUED for signal in self.published)
        self.published.clear()
        return found


def names(claimed: list[Claimed]) -> list[str]:
    """Return which tasks were leased, sorted."""
    return sorted(one.entry.id for one in claimed)
