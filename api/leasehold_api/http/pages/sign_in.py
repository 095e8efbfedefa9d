"""Signing in with name and password, and signing out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from leasehold_api import clock
from leasehold_api.errors import ForbiddenError
from leasehold_api.http.house import house
from leasehold_api.http.pages import cookies
from leasehold_api.http.pages.addresses import own_path
from leasehold_api.http.pages.entering import enter, leave, new_session
from leasehold_api.http.pages.forms import CHECKED, CheckedForm
from leasehold_api.http.pages.rendering import page, redirect
from leasehold_api.http.pages.session import ANYBODY, SIGNED_IN, Visitor
from leasehold_api.people.passwords import LONGEST
from leasehold_api.people.sessions import Method

router = APIRouter(include_in_schema=False)

_WRONG = "Name or password is wrong. A platform admin can give you a new link: leasehold users reset."


@router.get("/sign-in")
async def show_sign_in(request: Request, visitor: Visitor) -> Response:
    """Show the ways to sign in; who is signed in goes on at once."""
    next_path = own_path(request.query_params.get("next"))
    if visitor is not None:
        return redirect(request, next_path)
    return _sign_in_page(request, next_path=next_path)


@router.post("/sign-in", dependencies=ANYBODY)
async def sign_in(request: Request, form: CheckedForm) -> Response:
    """Check name and password. Unknown names get the same answer after the same work."""
    if not house(request).settings.local_sign_in:
        raise ForbiddenError("signing in with a password is off here (local_sign_in): use the other way to sign in")
    name = form.get("name", "").strip().lower()[:200]
    password = form.get("password", "")[: LONGEST + 1]
    next_path = own_path(form.get("next"))
    people = house(request).people
    address = request.client.host if request.client else None
    house(request).sign_in_rates.check(address=address, name=name, now=clock.now())
    user = await people.local.local_user(name)
    is_right = await people.passwords.is_right(password, user.password_hash if user else None)
    if user is None or not is_right:
        await _refused(request, name, "name or password is wrong")
        return _sign_in_page(request, 401, next_path=next_path, name=name, wrong=_WRONG)
    if people.passwords.is_outdated(user.password_hash):
        changed = await people.passwords.hash(password)
        await people.local.rehash(user.id, was=user.password_hash, password_hash=changed)
    session = new_session(request, user.id, Method.PASSWORD)
    if user.locked_because is not None or not await people.sessions.begin(session):
        because = f"your account is locked: {user.locked_because or 'just now'}. A platform admin can unlock it."
        await _refused(request, name, "locked")
        return _sign_in_page(request, 403, next_path=next_path, name=name, wrong=because[:1].upper() + because[1:])
    return await enter(request, session, next_path)


@router.post("/sign-out", dependencies=[*SIGNED_IN, *CHECKED])
async def sign_out(request: Request) -> Response:
    """End the session."""
    await leave(request)
    response = redirect(request, "/sign-in")
    cookies.forget_session(request, response)
    return response


def _sign_in_page(
    request: Request, status: int = 200, *, next_path: str, name: str = "", wrong: str | None = None
) -> Response:
    return page(
        request,
        "sign_in.html",
        status,
        next_path=next_path,
        name=name,
        wrong=wrong,
        is_local=house(request).settings.local_sign_in,
        provider=house(request).settings.oidc_issuer,
    )


async def _refused(request: Request, name: str, because: str) -> None:
    address = request.client.host if request.client else None
    # What was typed as the name may be a password.
    known = name if await house(request).people.local.local_user(name) else "unknown"
    await house(request).refusals.of_stranger("sign_in.refused", known, address=address, because=because)
