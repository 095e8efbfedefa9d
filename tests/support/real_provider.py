"""A real OpenID Connect provider (oidc-provider from npm) as a loopback process."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.api_server import ISSUER

_HERE = Path(__file__).parent / "oidc_provider"
_FILES = ("package.json", "package-lock.json", "server.mjs")
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
        cwd=_installed(),
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


def _installed() -> Path:
    """Return where the provider is installed: beside the virtual environment's packages, once for each lock file."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not on this machine: the real OIDC provider can't run")
    content = b"".join((_HERE / name).read_bytes() for name in _FILES)
    cache = Path(sys.prefix) / "oidc-provider"
    cache.mkdir(exist_ok=True)
    place = cache / hashlib.sha256(content).hexdigest()[:16]
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "installed").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            for name in _FILES:
                shutil.copy(_HERE / name, place / name)
            done = subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=place,
                capture_output=True,
                text=True,
                timeout=100,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            (place / "installed").touch()
    return place
