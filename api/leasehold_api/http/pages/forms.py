"""Forms that pages post: read, and refused unless they come from a page of ours in the same browser."""

from __future__ import annotations

import hmac
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from leasehold_api.errors import ApiError, ForbiddenError, InvalidRequestError
from leasehold_api.http.house import house
from leasehold_api.http.pages.addresses import origin_of
from leasehold_api.http.pages.cookies import csrf_token
from leasehold_protocol.v1.problems import ProblemCode

LARGEST_FORM = 64 * 1024
CSRF_FIELD = "csrf_token"

_AGAIN = "go back, load the page again, and send the form once more (cookies must be allowed)"


async def checked_form(request: Request) -> dict[str, str]:
    """Return the posted form's fields, without the CSRF token, which was checked.

    Raises:
        ForbiddenError: if another site sent it, or the token is not this browser's.
        InvalidRequestError: if it is no form.
    """
    request.state.is_page = True
    _check_origin(request)
    form = await _read(request)
    expected = csrf_token(request)
    shown = form.pop(CSRF_FIELD, "")
    if expected is None or not hmac.compare_digest(expected.encode(), shown.encode()):
        raise ForbiddenError(f"this form did not come from this browser's page, or the page is old: {_AGAIN}")
    return form


CheckedForm = Annotated[dict[str, str], Depends(checked_form)]
CHECKED = [Depends(checked_form)]
"""For routes that need no field of their form."""


def _check_origin(request: Request) -> None:
    # Browsers say where a request comes from; what is no browser says nothing, and can't be tricked either.
    # ``Origin`` is "null" on our own pages because of their Referrer-Policy, so Sec-Fetch-Site goes first.
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    is_ours = site == "same-origin" if site else origin in {None, origin_of(house(request).settings.issuer())}
    if not is_ours:
        raise ForbiddenError(f"another site sent this form: {_AGAIN}")


async def _read(request: Request) -> dict[str, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise InvalidRequestError("send the form as application/x-www-form-urlencoded")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise ApiError(f"the form is larger than {LARGEST_FORM} bytes", code=ProblemCode.BODY_TOO_LARGE)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100, errors="strict")
    except ValueError:
        raise InvalidRequestError("the body is not a form") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise InvalidRequestError("a field is in the form twice")
    return form
