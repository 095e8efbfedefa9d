"""``/oauth/authorize``: a person is asked whether an application may work for them (RFC 6749 section 4.1)."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, Request, Response

from leasehold_api import clock
from leasehold_api.errors import InvalidRequestError, UnauthenticatedError
from leasehold_api.http.house import house
from leasehold_api.http.pages.forms import CheckedForm
from leasehold_api.http.pages.rendering import page, redirect
from leasehold_api.http.pages.session import BrowserSession, SignedIn
from leasehold_api.oauth.parts.scopes import PLATFORM, granted
from leasehold_api.oauth.people.approvals import Approver
from leasehold_api.oauth.people.authorization import (
    AuthorizationRefusedError,
    AuthorizationRequest,
    NotToBeAnsweredError,
    read_authorization_request,
)

router = APIRouter(include_in_schema=False)


@router.get("/oauth/authorize")
async def ask(request: Request, session: SignedIn) -> Response:
    """Ask the person, or tell the application why not."""
    try:
        asked = _read(request.url.query)
    except AuthorizationRefusedError as refusal:
        return redirect(request, refusal.location(house(request).authority.issuer))
    return page(
        request,
        "authorize.html",
        csp_form_action=[_origin(asked.redirect_uri)],
        application=asked.client.name,
        client_id=asked.client.id,
        origin=_origin(asked.redirect_uri),
        allowed=words_of(_scope_of(session, asked.scope)),
        question=request.url.query,
    )


@router.post("/oauth/authorize")
async def answer(request: Request, session: SignedIn, form: CheckedForm) -> Response:
    """Bring the person's answer to the application."""
    issuer = house(request).authority.issuer
    by = Approver(user_id=session.user_id, address=session.address, now=clock.now())
    try:
        asked = _read(form.get("question", ""))
        if form.get("answer") != "allow":
            await house(request).approvals.refuse(asked, by)
            raise asked.denied()
    except AuthorizationRefusedError as refusal:
        return redirect(request, refusal.location(issuer))
    code = await house(request).approvals.grant(asked, by)
    if code is None:
        raise UnauthenticatedError("your account was locked or removed: ask a platform admin")
    return redirect(request, asked.granted(code, issuer))


def words_of(scope: str) -> str:
    """Return a scope for people: what whoever has it may do."""
    words = scope.split()
    return "everything, as a platform admin" if PLATFORM in words else f"what the role {words[-1]} may"


def _read(query: str) -> AuthorizationRequest:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50, errors="strict")
        return read_authorization_request(pairs)
    except NotToBeAnsweredError as error:
        raise InvalidRequestError(str(error)) from error
    except ValueError as error:
        raise InvalidRequestError("the address that the application sent you to is not readable") from error


def _scope_of(session: BrowserSession, asked: str) -> str:
    roles = [membership.role for membership in session.memberships.values()]
    return granted(asked, roles=roles, is_platform_admin=session.is_platform_admin)


def _origin(redirect_uri: str) -> str:
    parts = urlsplit(redirect_uri)
    return f"{parts.scheme}://{parts.netloc}"
