"""How callers call: with one header, with a token and a proof of its key, with a token that was changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import httpx

from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER
from tests.support.callers.cast import Call, Cast, Make, body_of


class Holder(Protocol):
    """Whoever holds the key that a token is bound to."""

    key: AgentKey


Shown = Callable[[Cast], tuple[Holder, str]]
"""A token to show, and who has its key."""


def with_header(value: str | Callable[[Cast], str]) -> Make:
    """Make callers that show one ``Authorization`` header, and nothing else."""

    async def make(cast: Cast) -> Call:
        shown = value if isinstance(value, str) else value(cast)

        async def call(method: str, path: str) -> httpx.Response:
            headers = {"Authorization": shown.encode()}
            return await cast.api.client.request(method, path, headers=headers, **body_of(method))

        return call

    return make


async def nobody(cast: Cast) -> Call:
    """Call without any credential."""
    return lambda method, path: cast.api.client.request(method, path, **body_of(method))


def proving(
    token: Shown,
    *,
    method: str | None = None,
    url: Callable[[str], str] | None = None,
    twice: bool = False,
    key: AgentKey | None = None,
    **proof: Any,
) -> Make:
    """Call with a token and a proof of possession, which may be wrong on purpose, or used ``twice``."""

    async def make(cast: Cast) -> Call:
        holder, shown = token(cast)

        async def call(used: str, path: str) -> httpx.Response:
            where = (url or (lambda path: ISSUER + path))(path)
            made = (key or holder.key).proof(method or used, where, token=shown, **proof)
            headers = {"Authorization": f"DPoP {shown}", "DPoP": made}
            if twice:
                await cast.api.client.request(used, path, headers=headers, **body_of(used))
            return await cast.api.client.request(used, path, headers=headers, **body_of(used))

        return call

    return make


def resigned(cast: Cast, token: str, typ: str = "at+jwt", **claims: Any) -> str:
    """Return a token that this server signed, with other claims."""
    keys = cast.api.house.signing_keys
    return keys.sign({"typ": typ}, {**keys.verified(token, typ="at+jwt"), **claims})
