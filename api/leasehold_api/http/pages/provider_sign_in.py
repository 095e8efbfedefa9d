"""Signing in at the OIDC provider: out with a state that only this browser can bring back, and in again."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request, Response

from leasehold_api import clock
from leasehold_api.errors import ForbiddenError
from leasehold_api.http.house import house
from leasehold_api.http.pages import cookies
from leasehold_api.http.pages.addresses import own_path
from leasehold_api.http.pages.entering import enter, new_session
from leasehold_api.http.pages.rendering import page, redirect
from leasehold_api.http.pages.session import ANYBODY
from leasehold_api.people.provider import Identity, Provider, ProviderAwayError, ProviderError
from leasehold_api.people.provider_users import PENDING_FOR_S, Entry, Pending
from leasehold_api.people.sessions import Method

router = APIRouter(include_in_schema=False)

_OLD = "This sign-in was begun in another browser, was finished already, or is too old. Begin it again."
_CODE = re.compile(r"[a-z_]{1,60}", re.ASCII)


@router.get("/sign-in/provider", dependencies=ANYBODY)
async def go_to_provider(request: Request) -> Response:
    """Send the browser to the provider."""
    provider = _provider(request)
    now = clock.now()
    house(request).sign_in_rates.check(address=_address(request), name=None, now=now)
    try:
        journey = await provider.begin()
    except ProviderError as error:
        return await _refused(request, error)
    cookie = cookies.form_cookie(request)
    pending = Pending(
        state=journey.state,
        browser=cookie.text,
        nonce=journey.nonce,
        code_verifier=journey.code_verifier,
        next_path=own_path(request.query_params.get("next")),
        expires_at=now + PENDING_FOR_S,
    )
    await house(request).people.at_provider.remember(pending, now=now)
    response = redirect(request, journey.address)
    cookies.set_form(request, response, cookie)
    return response


@router.get("/sign-in/callback", dependencies=ANYBODY)
async def come_back(request: Request) -> Response:
    """Take somebody back from the provider, and find out whom it vouches for."""
    provider = _provider(request)
    query = request.query_params
    people = house(request).people
    pending = await people.at_provider.take(
        state=query.get("state", ""), browser=cookies.form_cookie(request).text, now=clock.now()
    )
    if pending is None:
        return _again(request, 400, _OLD)
    if "error" in query or "code" not in query:
        said = query.get("error", "no code")
        because = said if _CODE.fullmatch(said) else "no code"
        return _again(request, 403, f"The provider did not let you in ({because}): begin again.")
    try:
        identity = await provider.finish(
            code=query["code"], issuer=query.get("iss"), nonce=pending.nonce, code_verifier=pending.code_verifier
        )
    except ProviderError as error:
        return await _refused(request, error)
    return await _enter(request, identity, pending.next_path)


async def _enter(request: Request, identity: Identity, next_path: str) -> Response:
    people = house(request).people
    session = new_session(request, clock.new_id("usr"), Method.PROVIDER)
    roles = people.group_roles
    granted = roles.granted(identity.groups)
    entry = await people.at_provider.enter(identity, granted, session, needs_group=bool(roles.entries))
    match entry:
        case Entry.ENTERED:
            return await enter(request, session, next_path)
        case Entry.LOCKED:
            await _record(request, "locked")
            return _again(request, 403, "Your account is locked. A platform admin can unlock it.")
        case Entry.NOT_KNOWN:
            await _record(request, "no group is mapped")
            asks = ", ".join(sorted({entry.group for entry in roles.entries}))
            return _again(
                request,
                403,
                f"{identity.issuer} says who you are ({identity.name}), and none of your groups is let in here. Ask "
                f"its administrators for one of these groups: {asks}; or ask a platform admin to map one of yours "
                f"(oidc_roles; yours are {', '.join(identity.groups) or 'none'}).",
            )


def _provider(request: Request) -> Provider:
    provider = house(request).people.provider
    if provider is None:
        raise ForbiddenError("no OIDC provider is set up here (oidc_issuer): sign in with your password")
    return provider


async def _refused(request: Request, error: ProviderError) -> Response:
    await _record(request, str(error))
    text = str(error)
    status = 503 if isinstance(error, ProviderAwayError) else 403
    return _again(request, status, f"{text[:1].upper()}{text[1:]}.")


async def _record(request: Request, because: str) -> None:
    await house(request).refusals.of_stranger("sign_in.refused", "provider", address=_address(request), because=because)


def _again(request: Request, status: int, text: str) -> Response:
    return page(request, "not_signed_in.html", status, text=text)


def _address(request: Request) -> str | None:
    return request.client.host if request.client else None
