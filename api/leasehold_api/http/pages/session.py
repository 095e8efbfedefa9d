"""Who looks at a page: dependencies for routes that answer with HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from leasehold_api import clock
from leasehold_api.callers import Membership, PersonCaller, PersonKind
from leasehold_api.http.house import house
from leasehold_api.http.pages import cookies
from leasehold_api.http.pages.addresses import own_path
from leasehold_api.people.sessions import USE_NOTED_EVERY_S


class SignInNeededError(Exception):
    """Whoever asks for the page must sign in first; they are sent to the sign-in page."""

    def __init__(self, next_path: str) -> None:
        super().__init__("sign in first")
        self.next_path = next_path


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserSession:
    """A person who signed in with this browser."""

    id: str
    user_id: str
    name: str
    is_platform_admin: bool
    memberships: Mapping[str, Membership]
    """By the team's name."""
    csrf_token: str
    """Templates get it as ``csrf_token``, signed in or not."""
    address: str | None

    @property
    def person(self) -> PersonCaller:
        """The same person as the API's routes know them."""
        return PersonCaller(
            kind=PersonKind.USER,
            id=self.user_id,
            name=self.name,
            is_platform_admin=self.is_platform_admin,
            memberships=self.memberships,
            address=self.address,
        )

    @property
    def actor(self) -> str:
        """How the audit trail names them."""
        return self.person.actor


async def visitor(request: Request) -> BrowserSession | None:
    """Let in any browser; return its session if it has one."""
    request.state.is_page = True
    session = await _session(request)
    request.state.browser_session = session
    if session is not None:
        # For the audit trail: whom a refusal further in was told.
        request.state.person = session.person
    return session


async def signed_in(request: Request) -> BrowserSession:
    """Let in who signed in, and send others to the sign-in page, from where they come back."""
    session = await visitor(request)
    if session is None:
        query = f"?{request.url.query}" if request.url.query else ""
        raise SignInNeededError(own_path(request.url.path + query) if request.method == "GET" else "/")
    return session


Visitor = Annotated[BrowserSession | None, Depends(visitor)]
SignedIn = Annotated[BrowserSession, Depends(signed_in)]
SIGNED_IN = [Depends(signed_in)]
ANYBODY = [Depends(visitor)]
"""For routes that don't ask whether somebody is signed in."""


def is_page(request: Request) -> bool:
    """Say whether the request is for a page: errors are then shown as one."""
    return bool(getattr(request.state, "is_page", False))


def session_of(request: Request) -> BrowserSession | None:
    """Return the session that ``visitor`` or ``signed_in`` found."""
    return cast("BrowserSession | None", getattr(request.state, "browser_session", None))


async def _session(request: Request) -> BrowserSession | None:
    secret = cookies.session_secret(request)
    if secret is None:
        return None
    now = clock.now()
    sessions = house(request).people.sessions
    standing = await sessions.standing(secret)
    if standing is None or not standing.is_alive(now=now):
        return None
    address = request.client.host if request.client else None
    if now - standing.last_used_at >= USE_NOTED_EVERY_S:
        await sessions.used(standing.id, at=now, address=address)
    return BrowserSession(
        id=standing.id,
        user_id=standing.user.id,
        name=standing.user.name,
        is_platform_admin=standing.user.is_platform_admin,
        memberships=standing.user.memberships,
        csrf_token=cookies.csrf_of(secret.text),
        address=address,
    )
