"""The start page: who somebody is, what they may do, and where they are signed in."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from leasehold_api import clock
from leasehold_api.acting import By
from leasehold_api.http.house import house
from leasehold_api.http.pages import cookies
from leasehold_api.http.pages.forms import CHECKED
from leasehold_api.http.pages.rendering import page, redirect
from leasehold_api.http.pages.session import SIGNED_IN, SignedIn

router = APIRouter(include_in_schema=False)


@router.get("/")
async def home(request: Request, visitor: SignedIn) -> Response:
    """Show the signed-in person what is theirs."""
    sessions = await house(request).people.sessions.list(visitor.user_id, now=clock.now())
    return page(request, "home.html", sessions=sessions)


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
