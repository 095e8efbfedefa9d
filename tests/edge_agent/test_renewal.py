"""Renewals name every lease: thousands of them in several requests, none of which speaks for the others."""

from __future__ import annotations

from datetime import UTC, datetime

from leasehold_agent.attempts.roster import Roster, Waiting
from leasehold_agent.link.renewal import PER_REQUEST, renew
from leasehold_protocol.v1.agents import AttemptState
from leasehold_protocol.v1.leases import RenewalAnswer, RenewalRequest

NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Api:
    """Keeps what it is asked."""

    def __init__(self) -> None:
        self.requests: list[RenewalRequest] = []

    async def renew(self, request: RenewalRequest, *, within_s: float = 15.0) -> RenewalAnswer:
        self.requests.append(request)
        return RenewalAnswer()


def roster(waiting: int) -> Roster:
    holder = Roster(4)
    holder.backlog.extend(Waiting(attempt=f"ti-{n}.1", state=AttemptState.ENDED) for n in range(waiting))
    return holder


async def test_everything_is_named_however_much_it_is() -> None:
    api = Api()

    await renew(api, roster(2 * PER_REQUEST + 1), now=NOW)

    named = [lease.attempt for request in api.requests for lease in request.leases]
    assert named == [f"ti-{n}.1" for n in range(2 * PER_REQUEST + 1)]
    assert [request.names_all for request in api.requests] == [False, False, False]


async def test_what_fits_into_one_request_is_all_there_is() -> None:
    api = Api()

    await renew(api, roster(PER_REQUEST), now=NOW)
    await renew(api, roster(0), now=NOW)

    assert [(len(request.leases), request.names_all) for request in api.requests] == [(PER_REQUEST, True), (0, True)]
