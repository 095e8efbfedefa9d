"""The other end of a sign-in with the browser: one page on the loopback address, for one answer (RFC 8252)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from leasehold.cli.errors import NotSignedInError

_STYLE = "body{font:1rem/1.55 system-ui,sans-serif;max-width:27rem;margin:3rem auto;padding:0 1rem}h1{font-size:1.5rem}"
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Leasehold</title><style>{style}</style><h1>{title}</h1><p>{text}</p></html>
"""
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Loopback:
    """Listens on a free port of 127.0.0.1 until the browser came back with what belongs to ``state``."""

    def __init__(self, *, state: str, issuer: str) -> None:
        self._state = state
        self._issuer = issuer
        self._answer: dict[str, str] | None = None
        self._server = HTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def address(self) -> str:
        """The redirect URI."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/callback"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()

    def wait(self, seconds: float) -> str:
        """Return the code that the browser brings.

        Raises:
            NotSignedInError: if it does not come in time, or brings a refusal.
        """
        ends = time.monotonic() + seconds
        while self._answer is None:
            self._server.timeout = max(0.0, ends - time.monotonic())
            if self._server.timeout == 0.0:
                raise NotSignedInError("The browser did not come back in time.", "Sign in again: leasehold login URL")
            self._server.handle_request()
        if "code" not in self._answer:
            why = self._answer.get("error_description") or self._answer.get("error", "there is no code")
            raise NotSignedInError(f"You were not signed in: {why}.", "Sign in again: leasehold login URL")
        return self._answer["code"]

    def _take(self, path: str) -> bool:
        """Keep the answer if it is the one that is waited for: anything on this machine may call here."""
        parts = urlsplit(path)
        pairs = parse_qsl(parts.query)
        brought = dict(pairs)
        is_ours = (
            parts.path == "/callback"
            and len(brought) == len(pairs)
            and hmac.compare_digest(brought.get("state", "").encode(), self._state.encode())
            and brought.get("iss") == self._issuer
        )
        if is_ours:
            self._answer = brought
        return is_ours

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 5

            def do_GET(self) -> None:
                if not loopback._take(self.path):
                    self._show(404, "Nothing is here", "This page is for the end of a sign-in only.")
                elif "code" in (loopback._answer or {}):
                    self._show(200, "You are signed in", "Go back to the terminal. You can close this page.")
                else:
                    self._show(200, "You are not signed in", "The terminal says why. You can close this page.")

            def _show(self, status: int, title: str, text: str) -> None:
                body = _PAGE.format(title=title, text=text, style=_STYLE).encode()
                self.send_response(status)
                for name, value in _HEADERS.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's
                """Say nothing: the address has the code in it."""

        return Handler
