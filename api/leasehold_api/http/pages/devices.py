"""``/device``: a person types the code that a command line or a new agent shows, and lets it in or not (RFC 8628)."""

from __future__ import annotations

import math

from fastapi import APIRouter, Request, Response

from leasehold_api import clock
from leasehold_api.acting import Slice, Team
from leasehold_api.errors import ApiError, ConflictError, ForbiddenError, NotFoundError
from leasehold_api.fleet.roles import includes
from leasehold_api.http.house import house
from leasehold_api.http.pages.authorize import words_of
from leasehold_api.http.pages.forms import CheckedForm
from leasehold_api.http.pages.rendering import page
from leasehold_api.http.pages.session import BrowserSession, SignedIn
from leasehold_api.oauth.kept.people_store import DeviceRequest
from leasehold_api.oauth.parts.public_clients import AGENT, PUBLIC_CLIENTS
from leasehold_api.oauth.parts.scopes import granted
from leasehold_api.oauth.parts.user_codes import shown, typed
from leasehold_api.oauth.people.approvals import Approver, ChosenSite, Decision
from leasehold_protocol.fingerprint import fingerprint
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.problems import ProblemCode

router = APIRouter(include_in_schema=False)

_ALL = Slice()


@router.get("/device")
async def ask(request: Request, session: SignedIn, user_code: str = "") -> Response:
    """Ask for the code, or show who has it and what letting it in would mean."""
    if not user_code:
        return page(request, "device_code.html", problem=None)
    device = await _device(request, session, user_code)
    if device is None:
        problem = "No device waits under this code. Look at the device again: codes end after ten minutes."
        return page(request, "device_code.html", 404, problem=problem)
    return await _question(request, session, device)


@router.post("/device")
async def answer(request: Request, session: SignedIn, form: CheckedForm) -> Response:
    """Keep the decision."""
    code = typed(form.get("user_code", ""))
    if code is None or form.get("answer") not in {"allow", "deny"}:
        raise NotFoundError("no device waits under this code: look at the device again")
    _slow_down_guessing(request, session)
    is_approved = form["answer"] == "allow"
    decision = await house(request).approvals.decide(
        code,
        is_approved=is_approved,
        site=await _chosen_site(request, form.get("site", "")),
        by=Approver(user_id=session.user_id, address=session.address, now=clock.now()),
    )
    match decision:
        case Decision.DONE:
            return page(request, "device_done.html", is_approved=is_approved)
        case Decision.TOO_LATE:
            raise ConflictError("the code has ended, or was decided about already: begin again at the device")
        case Decision.NOT_ALLOWED:
            raise ForbiddenError("choose a site of a team in which you are an operator")


async def _question(request: Request, session: BrowserSession, device: DeviceRequest) -> Response:
    is_agent = device.client_id == AGENT.id
    roles = [membership.role for membership in session.memberships.values()]
    scope = "" if is_agent else granted(device.scope, roles=roles, is_platform_admin=session.is_platform_admin)
    return page(
        request,
        "device.html",
        what=PUBLIC_CLIENTS[device.client_id].name,
        is_agent=is_agent,
        name=device.name,
        address=device.address,
        minutes=max(0, int((clock.now() - device.created_at) // 60)),
        user_code=shown(device.user_code),
        fingerprint=fingerprint(device.jkt) if device.jkt else None,
        allowed="" if is_agent else words_of(scope),
        sites=await _sites(request, session) if is_agent else [],
    )


async def _device(request: Request, session: BrowserSession, text: str) -> DeviceRequest | None:
    _slow_down_guessing(request, session)
    code = typed(text)
    return None if code is None else await house(request).approvals.device(code, now=clock.now())


def _slow_down_guessing(request: Request, session: BrowserSession) -> None:
    rates, now = house(request).user_code_rates, clock.now()
    waits = [rates.wait_s(who, now=now) for who in (f"address {session.address}", f"session {session.id}")]
    if max(waits):
        wait_s = math.ceil(max(waits))
        raise ApiError(
            f"too many codes were tried from here: wait {wait_s} s",
            code=ProblemCode.TOO_MANY_REQUESTS,
            headers={"Retry-After": str(wait_s)},
        )


async def _sites(request: Request, session: BrowserSession) -> list[str]:
    """Return the sites, as ``team/site``, that the person may let agents in to."""
    now, registry = clock.now(), house(request).registry
    names: list[str] = []
    if session.is_platform_admin:
        names = [team.name for team in (await registry.teams.list(_ALL, only=None)).items]
    else:
        held = session.memberships.values()
        names = sorted(one.team for one in held if includes(one.role, Role.OPERATOR))
    found: list[str] = []
    for name in names:
        team = await _team(request, name)
        if team is not None:
            sites = await registry.sites.list(team, _ALL, now=now)
            found += [f"{name}/{site.name}" for site in sites.items]
    return found


async def _chosen_site(request: Request, text: str) -> ChosenSite | None:
    name, _, site = text.partition("/")
    team = await _team(request, name) if site else None
    return None if team is None else ChosenSite(team=team.name, team_id=team.id, site=site)


async def _team(request: Request, name: str) -> Team | None:
    team_id = await house(request).authentication.team_id(name)
    return None if team_id is None else Team(id=team_id, name=name)
