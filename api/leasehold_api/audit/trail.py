"""The audit trail as the rest of the house sees it: refusals are added to it, rows are sealed and read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Protocol

from leasehold_protocol.v1.audit import AuditRow

_SECRETS = re.compile(r"\b([a-z]{3}_[0-9a-f]{12})\.[A-Za-z0-9_-]+|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.?[A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Somebody was refused something; what they asked for had no effect."""

    at: float
    actor: str | None
    """None: whoever it was has not proved it."""
    action: str
    object: str
    """When this is the id of a token or an agent, the row belongs to its team."""
    address: str | None
    team_id: str | None = None
    detail: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows are asked for."""

    team_id: str | None = None
    """None: every team's, and the platform's."""
    since: float | None = None
    action: str | None = None
    actor: str | None = None


class Trail(Protocol):
    """The audit trail. What is done is recorded by the stores, in the transaction that does it."""

    async def refused(self, refusal: Refusal) -> None:
        """Add a refusal."""
        ...

    async def seal(self) -> bool:
        """Put rows that are not in the chain at its end; say whether to come again.

        Of any number of processes that try at once, one does it.
        """
        ...

    async def rows(self, wanted: Wanted, *, after: int, limit: int) -> list[AuditRow]:
        """Return sealed rows with a number above ``after``, in the order of the chain."""
        ...

    async def head(self) -> int:
        """Return the number of the newest sealed row; 0 when there is none."""
        ...


def without_secrets(text: str) -> str:
    """Return ``text`` without the secret half of tokens: people paste them where names belong."""
    return _SECRETS.sub(lambda found: f"{found[1]}.***" if found[1] else "***", text)
