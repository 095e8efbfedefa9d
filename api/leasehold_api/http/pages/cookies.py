"""The two cookies: of a session, and of forms that are filled in before there is one.

On https they have the prefix ``__Host-``, so that no other host of the same domain can set them.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from fastapi import Request, Response

from leasehold_api.http.house import house
from leasehold_api.people.sessions import LONGEST_S, SessionSecret

_SESSION = "leasehold"
_FORM = "leasehold-form"


def is_https(request: Request) -> bool:
    """Say whether people reach this server by https: what the settings say, never the ``Host`` header."""
    return house(request).settings.issuer().startswith("https://")


def session_secret(request: Request) -> SessionSecret | None:
    """Return what the session cookie has."""
    text = request.cookies.get(_name(request, _SESSION))
    return SessionSecret(text=text) if text else None


def set_session(request: Request, response: Response, secret: SessionSecret) -> None:
    """Let the browser keep a session."""
    _set(request, response, _SESSION, secret.text, max_age=int(LONGEST_S))


def forget_session(request: Request, response: Response) -> None:
    """Let the browser forget its session."""
    _set(request, response, _SESSION, "", max_age=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormCookie:
    """What ties forms to a browser that is not signed in."""

    text: str
    is_new: bool


def form_cookie(request: Request) -> FormCookie:
    """Return the browser's, or a new one."""
    text = request.cookies.get(_name(request, _FORM))
    return FormCookie(text=text, is_new=False) if text else FormCookie(text=secrets.token_urlsafe(32), is_new=True)


def set_form(request: Request, response: Response, cookie: FormCookie) -> None:
    """Let the browser keep it."""
    _set(request, response, _FORM, cookie.text, max_age=None)


def csrf_token(request: Request) -> str | None:
    """Return the token that forms of this browser must bring; none when it has no cookie yet.

    It is made from the cookie's secret, so whoever can't read the cookie can't make it.
    """
    session = session_secret(request)
    secret = session.text if session else request.cookies.get(_name(request, _FORM))
    return csrf_of(secret) if secret else None


def csrf_of(secret: str) -> str:
    """Return the token of forms for a cookie's secret."""
    return hmac.new(secret.encode(), b"leasehold form", "sha256").hexdigest()


def _name(request: Request, name: str) -> str:
    return f"__Host-{name}" if is_https(request) else name


def _set(request: Request, response: Response, name: str, text: str, *, max_age: int | None) -> None:
    response.set_cookie(
        _name(request, name),
        text,
        max_age=max_age,
        path="/",
        secure=is_https(request),
        httponly=True,
        samesite="lax",
    )
