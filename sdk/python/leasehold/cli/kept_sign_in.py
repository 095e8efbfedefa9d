"""What a person's sign-in leaves on this machine: an access token for minutes, a refresh token for the next one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

CLIENT_ID = "leasehold-cli"
FRESH_FOR_S = 30.0
"""An access token that ends sooner is replaced first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSignIn:
    """The tokens of one sign-in, as the token store has them."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float
    """When the access token ends, by this machine's clock."""

    @property
    def text(self) -> str:
        """What the token store keeps."""
        return json.dumps(asdict(self))

    def is_fresh(self, *, now: float) -> bool:
        """Say whether the access token will do for a request."""
        return self.expires_at - now > FRESH_FOR_S


def read_sign_in(text: str) -> KeptSignIn | None:
    """Return the sign-in that a kept text is; none when it is an API token."""
    if not text.startswith("{"):
        return None
    try:
        kept = json.loads(text)
        return KeptSignIn(
            access_token=str(kept["access_token"]),
            refresh_token=str(kept["refresh_token"]),
            expires_at=float(kept["expires_at"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
