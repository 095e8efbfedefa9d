"""A real OpenID Connect provider (oidc-provider from npm) as a loopback process."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.api_server import ISSUER
from tests.support.npm import installed

_HERE = Path(__file__).parent / "oidc_provider"
CALLBACK = f"{ISSUER}/sign-in/callback"


@dataclass(frozen=True, kw_only=True)
class RealProvider:
    """The provider, and a person who signs in there."""

    issuer: str

    async def visit(self, address: str, *, account: str | None) -> str:
        """Follow the provider's redirects as ``account``; return the address that it sends the browser back to."""
        headers = {"x-account": account} if account else {}
        async with httpx.AsyncClient(headers=headers, timeout=20) as client:
            for _ in range(10):
                answer = await client.get(address)
                assert answer.is_redirect, answer.text
                address = str(answer.url.join(answer.headers["location"]))
                if address.startswith(CALLBACK):
                    return address
        raise AssertionError(f"the provider leads on and on, last to {address}")


@contextmanager
def real_provider(accounts: dict[str, Any], **more: Any) -> Iterator[RealProvider]:
    """Run the provider; skip the test where there is no node."""
    given = {
        "accounts": accounts,
        "redirect_uri": CALLBACK,
        "secret": None,
        "auth_method": "client_secret_basic",
        "groups_from_userinfo": True,
        **more,
    }
    environment = {**os.environ, "OIDC_TEST": json.dumps(given), "NODE_NO_WARNINGS": "1"}
    process = subprocess.Popen(
        ["node", "server.mjs"],
        cwd=installed(_HERE),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("http://127.0.0.1:"):
                break
        else:
            raise AssertionError("the provider did not start: " + "".join(lines))
        yield RealProvider(issuer=lines[-1].strip())
    finally:
        process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
