"""Secrets in HashiCorp Vault, over its HTTP API: KV version 2, and dynamic database credentials.

https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 (read secret version), …/secret/databases (generate
credentials), …/api-docs#http-status-codes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from leasehold_api.context.references import is_credentials
from leasehold_api.context.resolving import Found, RefusedSourceError, SourceAwayError
from leasehold_api.secret_sources.local import for_team

TIMEOUT_S = 5.0
"""For one request, connecting included."""


class VaultSource:
    """One Vault. The token is read again each time: an agent beside the service renews it."""

    def __init__(
        self, client: httpx.AsyncClient, *, url: str, token_file: Path, namespace: str | None, paths: list[str]
    ) -> None:
        """Take a client and where to go.

        Args:
            client: Follows no redirects: the token is for this address only.
            url: The address, without ``/v1``.
            token_file: The file with the token.
            namespace: For Vault Enterprise.
            paths: What references' paths must begin with (``{team}`` is the team's name); none: anything.
        """
        self._client = client
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._namespace = namespace
        self._paths = paths

    async def read(self, path: str, *, team: str) -> Found:
        """Return a secret's fields; see the port. Each reading of database credentials makes new ones."""
        allowed = [for_team(pattern, team) for pattern in self._paths]
        if allowed and not any(path.startswith(begin) for begin in allowed):
            raise RefusedSourceError(f"only paths that begin with {' or '.join(allowed)} may be referred to")
        answer = await self._get(path if is_credentials(path) else _kv_path(path))
        data = answer.get("data")
        if not is_credentials(path):
            data = data.get("data") if isinstance(data, dict) else None
        if not isinstance(data, dict):
            raise SourceAwayError("Vault answered something else than a secret: is the mount of KV version 2?")
        lease = answer.get("lease_id")
        return Found(fields=_texts(data), lease=lease if isinstance(lease, str) and lease else None)

    async def _get(self, path: str) -> dict[str, Any]:
        headers = {"X-Vault-Request": "true", "X-Vault-Token": await asyncio.to_thread(self._token)}
        if self._namespace is not None:
            headers["X-Vault-Namespace"] = self._namespace
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self._client.get(f"{self._url}/v1/{quote(path)}", headers=headers)
        except (httpx.HTTPError, TimeoutError) as error:
            raise SourceAwayError(f"Vault does not answer ({type(error).__name__})") from None
        return _checked(answer)

    def _token(self) -> str:
        try:
            token = self._token_file.read_text("ascii").strip()
        except (OSError, ValueError) as error:
            raise SourceAwayError(f"the service can't read its Vault token ({type(error).__name__})") from None
        if not token or not token.isprintable():
            raise SourceAwayError("the file with the service's Vault token has none in it")
        return token


def _kv_path(path: str) -> str:
    mount, _, rest = path.partition("/")
    return f"{mount}/data/{rest}"


def _checked(answer: httpx.Response) -> dict[str, Any]:
    # What Vault says about an error is not repeated: it may quote what it was asked with.
    match answer.status_code:
        case 200:
            pass
        case 404:
            raise RefusedSourceError("there is no such secret in Vault, or its newest version was deleted")
        case 403:
            raise RefusedSourceError("Vault does not let the service read it: check the policy of its token")
        case 400:
            raise RefusedSourceError("Vault says that this can't be read")
        case status:
            raise SourceAwayError(f"Vault answered with status {status}: it is sealed, starting, or in trouble")
    try:
        found: object = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SourceAwayError("what answers at vault_url is not Vault")
    return found


def _texts(data: Mapping[str, Any]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in data.items()}
