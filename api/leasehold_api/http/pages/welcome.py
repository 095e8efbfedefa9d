"""What a one-time sign-in link opens: choose a password, and be signed in."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from leasehold_api import clock
from leasehold_api.errors import ForbiddenError
from leasehold_api.http.house import house
from leasehold_api.http.pages.entering import enter, new_session
from leasehold_api.http.pages.forms import CheckedForm
from leasehold_api.http.pages.rendering import page
from leasehold_api.http.pages.session import ANYBODY
from leasehold_api.opaque_tokens import parse
from leasehold_api.people.passwords import LONGEST, SHORTEST, problem_with
from leasehold_api.people.sessions import Method

router = APIRouter(include_in_schema=False)

_NO_LINK = (
    "This link does not work any more: it was used, it is too old, or a newer one was made. "
    "A platform admin can give you a new one: leasehold users reset."
)


@router.get("/welcome", dependencies=ANYBODY)
async def show_welcome(request: Request) -> Response:
    """Ask for a password. The code is in the address's fragment, which only the page's script sees."""
    _check_local(request)
    return _welcome_page(request)


@router.post("/welcome", dependencies=ANYBODY)
async def welcome(request: Request, form: CheckedForm) -> Response:
    """Use the link up: keep the password, begin a session."""
    _check_local(request)
    now = clock.now()
    address = request.client.host if request.client else None
    house(request).sign_in_rates.check(address=address, name=None, now=now)
    people = house(request).people
    code = parse(_code_in(form.get("code", "")), "lnk")
    link = await people.local.open_link(code, now=now) if code else None
    if code is None or link is None:
        claimed = code.id if code else "unknown"
        await house(request).refusals.of_stranger(
            "sign_in.refused", claimed, address=address, because="the sign-in link does not work"
        )
        return _welcome_page(request, 403, wrong=_NO_LINK)
    password = form.get("password", "")
    wrong = problem_with(password, name=link.user)
    if wrong is None and password != form.get("again", ""):
        wrong = "the two passwords differ: type the same one twice"
    if wrong is not None:
        return _welcome_page(request, 422, code=code.text, wrong=f"{wrong[:1].upper()}{wrong[1:]}.")
    session = new_session(request, link.user_id, Method.LINK)
    password_hash = await people.passwords.hash(password)
    if not await people.local.redeem(code, password_hash=password_hash, session=session):
        return _welcome_page(request, 403, wrong=_NO_LINK)
    return await enter(request, session, "/")


def _check_local(request: Request) -> None:
    if not house(request).settings.local_sign_in:
        raise ForbiddenError("signing in with a password is off here (local_sign_in): use /sign-in")


def _code_in(text: str) -> str:
    """Return the code of what was pasted: the code itself, or the whole link."""
    return text.strip().rpartition("#")[2]


def _welcome_page(request: Request, status: int = 200, *, code: str = "", wrong: str | None = None) -> Response:
    return page(request, "welcome.html", status, code=code, wrong=wrong, shortest=SHORTEST, longest=LONGEST)
