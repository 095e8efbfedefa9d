"""Refusals on their way into the audit trail: of people who are known, of sign-ins, of agents at the OAuth endpoints.

What is refused has no transaction of its own to be recorded in, so the row gets one.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, cast

from fastapi import Request

from leasehold_api import clock
from leasehold_api.audit.trail import Refusal, Trail
from leasehold_api.callers import PersonCaller
from leasehold_api.errors import ApiError
from leasehold_api.oauth.parts.rates import Rates

log = logging.getLogger(__name__)

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Refusals:
    """Records refusals; those of strangers at a bounded rate for each address, or they would fill the disk."""

    def __init__(self, trail: Trail, rates: Rates) -> None:
        self._trail = trail
        self._rates = rates

    async def of_request(self, request: Request, error: ApiError) -> None:
        """Record what a person or program was refused, if it is worth a row."""
        state = request.state
        person = cast("PersonCaller | None", getattr(state, "person", None))
        if person is not None:
            team_id = cast("str | None", getattr(state, "team_id", None))
            if is_recorded(request, error, in_team=team_id is not None):
                await self._record(_of_person(request, error, person, team_id))
        elif error.status == HTTPStatus.UNAUTHORIZED and (token := getattr(state, "shown_token", None)):
            await self.of_stranger("sign_in.refused", token, address=address_of(request), because=error.detail)

    async def of_stranger(self, action: str, object: str, *, address: str | None, because: str) -> None:  # noqa: A002
        """Record what somebody was refused who did not prove who they are; ``object`` is whom they claim to be."""
        now = clock.now()
        if self._rates.wait_s(address or "", now=now):
            log.warning("a refusal is not in the audit trail: too many from its address", extra={"address": address})
            return
        await self._record(
            Refusal(at=now, actor=None, action=action, object=object, address=address, detail={"because": because})
        )

    async def _record(self, refusal: Refusal) -> None:
        try:
            await self._trail.refused(refusal)
        except ApiError as error:
            # The caller gets the refusal all the same: it is the answer to the request.
            log.error("a refusal is not in the audit trail", extra={"cause": error.detail, "action": refusal.action})


def is_recorded(request: Request, error: ApiError, *, in_team: bool) -> bool:
    """Say whether a refusal of a known caller is worth a row: changes, and reading what they may not."""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return False
    is_elsewhere = "team" in request.path_params and not in_team
    return request.method not in _READING or error.status == HTTPStatus.FORBIDDEN or is_elsewhere


def address_of(request: Request) -> str | None:
    """Return where a request came from."""
    return request.client.host if request.client else None


def _of_person(request: Request, error: ApiError, person: PersonCaller, team_id: str | None) -> Refusal:
    detail: dict[str, Any] = {"method": request.method, "code": error.code.value}
    home = person.only_membership
    return Refusal(
        at=clock.now(),
        actor=person.actor,
        action="request.refused",
        object=request.url.path[:300],
        address=person.address,
        # Of another team that they tried to get into, they and their admins learn nothing.
        team_id=team_id or (home.team_id if home else None),
        detail=detail,
    )
