"""What every way of signing in ends with: a new session in the browser, and the old one gone."""

from __future__ import annotations

from fastapi import Request, Response

from leasehold_api import clock
from leasehold_api.acting import By
from leasehold_api.http.house import house
from leasehold_api.http.pages import cookies
from leasehold_api.http.pages.rendering import redirect
from leasehold_api.http.pages.session import session_of
from leasehold_api.people.sessions import Method, NewSession, new_secret


def new_session(request: Request, user_id: str, method: Method) -> NewSession:
    """Return a session for somebody who has just proved who they are. Its secret is always a new one."""
    return NewSession(
        id=clock.new_id("ses"),
        secret=new_secret(),
        user_id=user_id,
        method=method,
        at=clock.now(),
        address=request.client.host if request.client else None,
        user_agent=request.headers.get("user-agent"),
    )


async def enter(request: Request, session: NewSession, next_path: str) -> Response:
    """Give the browser its new session and send it on; the session it had before ends."""
    await leave(request)
    response = redirect(request, next_path)
    cookies.set_session(request, response, session.secret)
    return response


async def leave(request: Request) -> None:
    """End the browser's session, if it has one."""
    if (before := session_of(request)) is not None:
        by = By(actor=before.actor, at=clock.now(), address=before.address)
        await house(request).people.sessions.end(
            before.id, user_id=before.user_id, actor=by.actor, at=by.at, address=by.address
        )
