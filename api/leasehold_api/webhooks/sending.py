"""One try at a webhook: where it goes, how it is signed, what the answer means."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import SplitResult

import httpx

from leasehold_api import __version__
from leasehold_api.acting import Team
from leasehold_api.context.connections import Connections
from leasehold_api.errors import ApiError, UnavailableError
from leasehold_api.webhooks.guard import RefusedTargetError, checked_target, judged, looked_up
from leasehold_api.webhooks.outbox import Due, Sent

TIMEOUT_S = 10.0
CONN_TYPE = "webhook"
"""The type of connections that webhooks may go to: an admin made them for that."""
_GONE = 410


class HookSender:
    """Sends one webhook to where its DAG says."""

    def __init__(self, connections: Connections, *, private_allowed: bool, clock: Callable[[], float]) -> None:
        self._connections = connections
        self._private_allowed = private_allowed
        self._clock = clock
        self._made: httpx.AsyncClient | None = None

    @property
    def _client(self) -> httpx.AsyncClient:
        if self._made is None:
            # Not through a proxy of the environment: it would look the name up itself, and go where we would not.
            self._made = httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)
        return self._made

    async def close(self) -> None:
        """Close the connections, where any were needed."""
        if self._made is not None:
            await self._made.aclose()

    async def send(self, due: Due) -> Sent:
        """Try once. What went wrong is told without the address: it may hold a secret."""
        try:
            url, secret = await self._target(due.team, due.target)
            parts = checked_target(url, private_allowed=self._private_allowed)
            return await self._post(parts, due, secret)
        except RefusedTargetError as error:
            return Sent(problem=str(error), is_final=True)
        except UnavailableError as error:
            return Sent(problem=error.detail)
        except ApiError as error:
            return Sent(problem=error.detail, is_final=True)
        except httpx.TimeoutException:
            return Sent(problem=f"no answer within {TIMEOUT_S:.0f} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Sent(problem=f"it can't be reached ({type(error).__name__})")

    async def _target(self, team: Team, target: str) -> tuple[str, str | None]:
        if "://" in target:
            return target, None
        opened = await self._connections.opened_for_service(team, target)
        if opened.conn_type != CONN_TYPE:
            raise RefusedTargetError(f"connection {target} is no webhook: an admin can set --conn-type {CONN_TYPE}")
        host = opened.host or ""
        if "://" in host:
            return host, opened.password
        port = "" if opened.port is None else f":{opened.port}"
        path = str(opened.extra.get("path", "/"))
        return f"{opened.schema_ or 'https'}://{host}{port}/{path.lstrip('/')}", opened.password

    async def _post(self, parts: SplitResult, due: Due, secret: str | None) -> Sent:
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = judged(await looked_up(host, port), private_allowed=self._private_allowed)
        # Connected to what was judged: the name may lead elsewhere when it is looked up again.
        pinned = f"[{address}]" if ":" in address else address
        query = f"?{parts.query}" if parts.query else ""
        request = self._client.build_request(
            "POST",
            f"{parts.scheme}://{pinned}:{port}{parts.path or '/'}{query}",
            content=due.payload.encode(),
            headers=self._headers(due, secret) | {"Host": host if parts.port is None else f"{host}:{port}"},
            extensions={"sni_hostname": host},
        )
        answer = await self._client.send(request, stream=True)
        await answer.aclose()  # what it says is of no use
        if answer.is_success:
            return Sent()
        if answer.is_redirect:
            return Sent(problem="it redirects elsewhere, which is not followed: name the final address", is_final=True)
        return Sent(problem=f"it answers with status {answer.status_code}", is_final=answer.status_code == _GONE)

    def _headers(self, due: Due, secret: str | None) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"leasehold/{__version__}",
            "Idempotency-Key": due.id,
            "Leasehold-Event": due.event,
        }
        if secret:
            headers["Leasehold-Signature"] = signature(due.payload, secret, at=int(self._clock()))
        return headers


def signature(payload: str, secret: str, *, at: int) -> str:
    """Return ``t=…,v1=…``: HMAC-SHA256 in hexadecimal over the time, a full stop and the body."""
    signed = hmac.new(secret.encode(), f"{at}.{payload}".encode(), hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"
