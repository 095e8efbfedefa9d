"""The start page: who somebody is, what they may do, where they are signed in, and which applications work for them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from leasehold_api import clock
from leasehold_api.acting import By
from leasehold_api.http.house import house
from leasehold_api.http.pages import cookies
from leasehold_api.http.pages.authorize import words_of
from leasehold_api.http.pages.forms import CHECKED
from leasehold_api.http.pages.rendering import page, redirect
from leasehold_api.http.pages.session import SIGNED_IN, SignedIn
from leasehold_api.oauth.parts.public_clients import PUBLIC_CLIENTS
from leasehold_api.oauth.people.approvals import Approver

router = APIRouter(include_in_schema=False)


@router.get("/")
async def home(request: Request, visitor: SignedIn) -> Response:
    """Show the signed-in person what is theirs."""
    now = clock.now()
    sessions = await house(request).people.sessions.list(visitor.user_id, now=now)
    applications = await house(request).applications.list(visitor.user_id, now=now)
    return page(
        request,
        "home.html",
        address=house(request).settings.issuer(),
        sessions=sessions,
        applications=[(one, _name(one.client_id), words_of(one.scope)) for one in applications],
    )


@router.post("/sign-ins/{sign_in}/end", dependencies=[*SIGNED_IN, *CHECKED])
async def end_sign_in(request: Request, visitor: SignedIn, sign_in: str) -> Response:
    """End an application's sign-in; its tokens end with it."""
    by = Approver(user_id=visitor.user_id, address=visitor.address, now=clock.now())
    await house(request).applications.end(sign_in, by)
    return redirect(request, "/")


@router.post("/sessions/{session}/end", dependencies=[*SIGNED_IN, *CHECKED])
async def end_session(request: Request, visitor: SignedIn, session: str) -> Response:
    """End one of the person's sessions."""
    await house(request).people.sessions.end(
        session, user_id=visitor.user_id, actor=visitor.actor, at=clock.now(), address=visitor.address
    )
    return redirect(request, "/")


@router.post("/sessions/end-all", dependencies=[*SIGNED_IN, *CHECKED])
async def end_all(request: Request, visitor: SignedIn) -> Response:
    """End every session and every token of the person, this one included."""
    by = By(actor=visitor.actor, at=clock.now(), address=visitor.address)
    await house(request).people.users.end_everything(visitor.user_id, by=by)
    response = redirect(request, "/sign-in")
    cookies.forget_session(request, response)
    return response


def _name(client_id: str) -> str:
    known = PUBLIC_CLIENTS.get(client_id)
    return client_id if known is None else known.name
