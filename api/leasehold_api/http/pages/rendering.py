"""Templates to responses, with the headers that every page has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from leasehold_api.clock import instant
from leasehold_api.errors import ApiError
from leasehold_api.http.pages import cookies
from leasehold_api.http.pages.addresses import sign_in_path
from leasehold_api.http.pages.session import session_of
from leasehold_api.http.pages.user_agents import browser_name

_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII)


def _when(seconds: float) -> str:
    return instant(seconds).strftime("%Y-%m-%d %H:%M UTC")


def _machine_time(seconds: float) -> str:
    moment: datetime = instant(seconds)
    return moment.isoformat(timespec="seconds")


_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["when"] = _when
_templates.filters["browser_name"] = browser_name
_templates.filters["machine_time"] = _machine_time


def page(
    request: Request, template: str, status: int = 200, *, csp_form_action: Sequence[str] = (), **facts: object
) -> Response:
    """Render a template.

    Args:
        request: what it is the answer to; a dependency of ``session`` must have seen it.
        template: a file of ``templates``. It also gets ``session`` (or none) and ``csrf_token`` for its forms.
        status: of the response.
        csp_form_action: origins beside our own that the page's forms may lead to, redirects after them included.
        facts: what else the template needs.

    Raises:
        ValueError: if ``csp_form_action`` has what is no origin.
    """
    session = session_of(request)
    token = cookies.csrf_token(request)
    form_cookie = None
    if token is None:
        form_cookie = cookies.form_cookie(request)
        token = cookies.csrf_of(form_cookie.text)
    text = _templates.get_template(template).render(session=session, csrf_token=token, **facts)
    response = HTMLResponse(text, status_code=status, headers=security_headers(request, csp_form_action))
    if form_cookie is not None:
        cookies.set_form(request, response, form_cookie)
    return response


def redirect(request: Request, address: str) -> Response:
    """Send the browser on; ``address`` must have been judged by the caller."""
    return RedirectResponse(address, status_code=303, headers=security_headers(request, ()))


def redirect_to_sign_in(request: Request, next_path: str) -> Response:
    """Send the browser to the sign-in page, from where it comes back to ``next_path``."""
    return redirect(request, sign_in_path(next_path))


def error_page(request: Request, error: ApiError) -> Response:
    """Show an error."""
    problem = error.problem()
    response = page(request, "error.html", problem.status, title=problem.title, detail=problem.detail)
    response.headers.update(error.headers)
    return response


def security_headers(request: Request, form_action: Sequence[str]) -> dict[str, str]:
    """Return what every answer to a browser has."""
    if wrong := [origin for origin in form_action if not _ORIGIN.fullmatch(origin)]:
        raise ValueError(f"not an origin for form-action: {wrong}")
    destinations = " ".join(["'self'", *form_action])
    csp = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        f"form-action {destinations}; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": csp,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    if cookies.is_https(request):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers
