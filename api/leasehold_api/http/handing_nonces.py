"""ASGI middleware: puts a fresh nonce for DPoP proofs on the answers that shall have one (RFC 9449, sections 8 and 9).

Made when the answer begins, not when the request came: a long poll may wait for most of a nonce's life.
"""

from __future__ import annotations

from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leasehold_api import clock
from leasehold_api.oauth.possession.nonces import Nonces

HEADER = "DPoP-Nonce"
_NONCES = "nonces_to_hand_out"


class HandsOutNonces:
    """Adds ``DPoP-Nonce`` where ``hand_out_nonce`` asked for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})

        async def send_with_nonce(message: Message) -> None:
            nonces: Nonces | None = state.get(_NONCES)
            if message["type"] == "http.response.start" and nonces is not None:
                MutableHeaders(scope=message)[HEADER] = nonces.fresh(now=clock.now())
            await send(message)

        await self._app(scope, receive, send_with_nonce)


def hand_out_nonce(request: Request, nonces: Nonces) -> None:
    """Let the answer to ``request`` carry a fresh nonce."""
    request.scope.setdefault("state", {})[_NONCES] = nonces
