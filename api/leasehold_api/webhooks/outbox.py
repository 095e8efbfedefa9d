"""Webhooks that wait to be sent: the port, and how long one waits for its next try. Pure rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from leasehold_api.acting import By, Slice, Team
from leasehold_protocol.v1.webhooks import Webhook, WebhookList, WebhookState

MOST_TRIES = 12
"""With the pauses between them about nine hours."""
FIRST_PAUSE_S = 10.0
LONGEST_PAUSE_S = 3 * 3600.0
TAKEN_FOR_S = 60.0
"""Longer than one try takes: who took it and died loses it then, and it is sent again."""
KEPT_S = 30 * 86400.0
"""How long those that are settled can be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One webhook, taken to be sent now."""

    id: str
    team: Team
    event: str
    target: str
    tries: int
    """This one included."""
    payload: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What came of a try."""

    problem: str | None = None
    """None: it was taken."""
    is_final: bool = False
    """Trying again would change nothing."""


def pause_after(tries: int) -> float | None:
    """Return how long to wait after this many tries failed; none: it is given up."""
    return None if tries >= MOST_TRIES else min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (tries - 1))


class HookOutbox(Protocol):
    """Rows are written where runs end, in that transaction. Promises: ``tests/api/contracts/webhooks.py``."""

    async def take(self, *, most: int, now: float) -> Sequence[Due]:
        """Return what is due, each to one caller only, for ``TAKEN_FOR_S``."""
        ...

    async def settle(self, due: Due, sent: Sent, *, now: float) -> None:
        """Record what came of a try: delivered, again later, or dead."""
        ...

    async def next_due(self) -> float | None:
        """Return when something is due next; none: nothing waits."""
        ...

    async def list(self, team: Team, part: Slice, *, state: WebhookState | None) -> WebhookList:
        """Return the team's webhooks, newest first."""
        ...

    async def again(self, team: Team, webhook: str, *, by: By) -> Webhook:
        """Let one that is dead be sent once more, from its first try on.

        Raises:
            NotFoundError: if the team has none of that id.
            ConflictError: if it is not dead.
        """
        ...
