"""How often sign-ins may be tried: by address, and by name."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from leasehold_api.errors import ApiError
from leasehold_api.oauth.parts.rates import Rates
from leasehold_protocol.v1.problems import ProblemCode


def _by_address() -> Rates:
    return Rates(burst=30, per_s=0.2)


def _by_name() -> Rates:
    return Rates(burst=10, per_s=0.05)


@dataclass(frozen=True, slots=True)
class SignInRates:
    """Counts in this process; with several API processes each has its own."""

    addresses: Rates = field(default_factory=_by_address)
    names: Rates = field(default_factory=_by_name)

    def check(self, *, address: str | None, name: str | None, now: float) -> None:
        """Count a try.

        Raises:
            ApiError: too_many_requests.
        """
        wait_s = self.addresses.wait_s(address or "", now=now)
        if name is not None and not wait_s:
            wait_s = self.names.wait_s(name, now=now)
        if wait_s:
            seconds = str(math.ceil(wait_s))
            raise ApiError(
                f"too many tries to sign in: try again in {seconds} s",
                code=ProblemCode.TOO_MANY_REQUESTS,
                headers={"Retry-After": seconds},
            )
