"""Task metrics on their way to an OpenTelemetry collector: in batches, at least once, by one API process at a time."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from leasehold_api import __version__
from leasehold_api.clock import instant
from leasehold_api.config import Settings
from leasehold_api.errors import ApiError
from leasehold_api.telemetry.otlp import Measured, document

log = logging.getLogger(__name__)

BATCH_POINTS = 5000
MOST_WAITING = 200_000
"""Points that wait for a collector that is away; the oldest beyond are given up."""
_MOST_BATCHES = 20
_TIMEOUT_S = 10.0
_LEADS_S = 60.0
_NEVER = frozenset({400, 404, 405, 413, 415, 422})
"""What a collector answers to a batch that it will never take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Points that go out together; sent again, it is the very same."""

    id: str
    points: Sequence[Measured]


class MetricOutbox(Protocol):
    """Points that wait to be exported. Its promises are ``tests/api/test_metric_export.py``."""

    async def lead(self, holder: str, *, now: float, expires_at: float) -> bool:
        """Say whether ``holder`` may export until ``expires_at``: one process at a time may."""
        ...

    async def take(self, new_id: str, *, most: int) -> Batch | None:
        """Return the batch that was taken and not delivered, or a new one under ``new_id``; none: nothing waits."""
        ...

    async def forget(self, batch: str) -> None:
        """Take a batch off the list: it was delivered, or never will be."""
        ...

    async def keep_newest(self, most: int) -> int:
        """Give up the oldest points that wait beyond ``most``; return how many."""
        ...


class MetricExporter:
    """Sends what waits. A collector that is away costs a line in the health, and no task anything."""

    def __init__(
        self,
        outbox: MetricOutbox,
        *,
        endpoint: str,
        headers_file: Path | None,
        interval_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._outbox = outbox
        self._url = f"{endpoint}/v1/metrics"
        self._headers_file = headers_file
        self._leads_s = max(_LEADS_S, 2 * interval_s)
        self._clock = clock
        self._holder = secrets.token_hex(8)
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False)
        self._failing_since: float | None = None
        self._cause = ""

    @property
    def trouble(self) -> str | None:
        """What is wrong, for people; none when the last batch was taken."""
        if self._failing_since is None:
            return None
        since = instant(self._failing_since).isoformat(timespec="seconds")
        return f"metrics have not been taken since {since}: {self._cause}; they are kept and sent again"

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def export(self) -> None:
        """Send what waits, if it is this process's turn."""
        try:
            for _ in range(_MOST_BATCHES):
                now = self._clock()
                if not await self._outbox.lead(self._holder, now=now, expires_at=now + self._leads_s):
                    self._failing_since = None  # another process knows
                    return
                batch = await self._outbox.take(secrets.token_hex(8), most=BATCH_POINTS)
                if batch is None:
                    return
                if not await self._sent(batch):
                    await self._bound()
                    return
                await self._outbox.forget(batch.id)
        except ApiError as error:  # the database is away: at the next turn
            log.warning("metrics wait", extra={"cause": error.detail})

    async def _sent(self, batch: Batch) -> bool:
        """Send a batch; False: later, and the very same again."""
        try:
            answer = await self._client.post(
                self._url,
                content=json.dumps(document(batch.points, version=__version__), separators=(",", ":")),
                headers={"Content-Type": "application/json", **headers_in(self._headers_file)},
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self._failed(f"the collector can't be reached ({type(error).__name__})")
        except (OSError, ValueError) as error:
            return self._failed(f"otlp_headers_file can't be used ({error})")
        if answer.status_code in _NEVER:
            log.error("metrics given up", extra={"status": answer.status_code, "points": len(batch.points)})
        elif not answer.is_success:
            return self._failed(f"the collector answers with status {answer.status_code}")
        self._worked(answer)
        return True

    def _failed(self, cause: str) -> bool:
        if self._failing_since is None:
            self._failing_since = self._clock()
            log.warning("metrics are not taken", extra={"cause": cause})
        self._cause = cause
        return False

    def _worked(self, answer: httpx.Response) -> None:
        if self._failing_since is not None:
            log.info("metrics are taken again")
        self._failing_since = None
        if rejected := _rejected(answer):
            log.warning("a collector refused some metrics", extra={"said": rejected})

    async def _bound(self) -> None:
        if given_up := await self._outbox.keep_newest(MOST_WAITING):
            log.warning("the oldest metrics are given up", extra={"points": given_up})


def exporter(settings: Settings, outbox: MetricOutbox, *, clock: Callable[[], float]) -> MetricExporter | None:
    """Return the exporter that the settings ask for."""
    if settings.otlp_endpoint is None:
        return None
    return MetricExporter(
        outbox,
        endpoint=settings.otlp_endpoint,
        headers_file=settings.otlp_headers_file,
        interval_s=settings.otlp_interval_s,
        clock=clock,
    )


def headers_in(file: Path | None) -> dict[str, str]:
    """Return the headers in a file, ``Name: value`` on each line.

    Raises:
        OSError: if it can't be read.
        ValueError: if a line is none; what it says is not repeated, for it may be a secret.
    """
    headers: dict[str, str] = {}
    for number, line in enumerate(file.read_text().splitlines() if file else (), 1):
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon or not name.strip().replace("-", "").isalnum() or not value.strip().isascii():
            raise ValueError(f"line {number} is not written Name: value")
        headers[name.strip()] = value.strip()
    return headers


def _rejected(answer: httpx.Response) -> str | None:
    """Return what a collector says of points that it left out (OTLP's partial success)."""
    try:
        told: Any = answer.json()
        partial = told.get("partialSuccess") or {}
        refused = int(partial.get("rejectedDataPoints") or 0)
        return f"{refused}: {str(partial.get('errorMessage', ''))[:200]}" if refused else None
    except (ValueError, AttributeError, TypeError):
        return None
