"""What a refresh token that is shown means (RFC 9700 section 4.14.2): each counts once, a second use is theft.

But an answer may get lost on its way. The one before the newest is therefore taken again for a minute, as long as the
newest was never used; that one is void then.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

LOST_ANSWER_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A refresh token as it is stored."""

    id: str
    secret_sha256: str
    sign_in_id: str
    expires_at: float
    used_at: float | None
    successor_used_at: float | None
    """When the one that was given for it was used."""
    has_successor: bool


class Use(Enum):
    """What to do about a refresh token that is shown."""

    FIRST = auto()
    AGAIN = auto()  # its answer was lost
    EXPIRED = auto()
    STOLEN = auto()  # the sign-in ends


def judge_use(token: RefreshToken, *, now: float) -> Use:
    """Return what the use of ``token`` means."""
    if token.used_at is None:
        return Use.FIRST if now < token.expires_at else Use.EXPIRED
    was_lost = token.has_successor and token.successor_used_at is None and now - token.used_at <= LOST_ANSWER_S
    return Use.AGAIN if was_lost else Use.STOLEN
