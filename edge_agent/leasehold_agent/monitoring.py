"""``/metrics`` and ``/healthz`` for the site's monitoring: at ``<state>/metrics.sock``, and on loopback if asked."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.health.exposition import CONTENT_TYPE, Metric, counter, exposition, gauge
from leasehold_agent.health.link import LinkHistory
from leasehold_agent.health.reasons import ORDERED
from leasehold_agent.health.vitals import Vitals
from leasehold_agent.local_socket import serve_privately
from leasehold_agent.standing import Standing

_SOCKET = "metrics.sock"
_PATIENCE_S = 5.0
_P = "leasehold_agent_"


class Monitoring:
    """Answers ``GET /metrics`` (Prometheus text) and ``GET /healthz`` (200, or 503 with the reasons)."""

    def __init__(
        self,
        state_dir: Path,
        *,
        version: str,
        roster: Roster,
        standing: Standing,
        link: LinkHistory,
        vitals: Callable[[], Vitals | None],
    ) -> None:
        self._path = state_dir / _SOCKET
        self._version = version
        self._roster = roster
        self._standing = standing
        self._link = link
        self._vitals = vitals

    async def serve(self) -> None:
        """Answer on the socket, until cancelled."""
        await serve_privately(self._path, self._answer)

    async def serve_on(self, address: str) -> None:
        """Answer on a loopback address as well, until cancelled."""
        host, _, port = address.rpartition(":")
        server = await asyncio.start_server(self._answer, host.strip("[]"), int(port))
        await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_PATIENCE_S):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                writer.write(self._response(*head.split("\r\n", 1)[0].split(" ")[:2]))
                await writer.drain()
        writer.close()

    def _response(self, method: str, target: str) -> bytes:
        status, kind, body = HTTPStatus.NOT_FOUND, "text/plain", "There are /metrics and /healthz.\n"
        path = target.partition("?")[0]
        if method not in ("GET", "HEAD"):
            status, body = HTTPStatus.METHOD_NOT_ALLOWED, "Only GET is answered.\n"
        elif path == "/metrics":
            status, kind, body = HTTPStatus.OK, CONTENT_TYPE, exposition(self.metrics())
        elif path == "/healthz":
            reasons = self.unhealthy_because()
            status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
            kind, body = "application/json", json.dumps({"healthy": not reasons, "reasons": reasons}) + "\n"
        data = body.encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode("latin-1") + (b"" if method == "HEAD" else data)

    def unhealthy_because(self) -> list[str]:
        """Return what is wrong; an agent that was told to pause or to drain, or has to deliver first, is well."""
        reasons = [reason.text for reason in self._roster.reasons if reason.blocks and reason.name not in ORDERED]
        return reasons if self._standing.is_connected else [f"link: {self._standing.link}", *reasons]

    def metrics(self) -> Iterator[Metric]:
        """Yield every metric as of now; docs/reference/agent-health.md lists them."""
        roster, standing = self._roster, self._standing
        yield Metric(
            name=f"{_P}info",
            kind="gauge",
            help="The version of the agent.",
            samples=(({"version": self._version}, 1.0),),
        )
        yield gauge(f"{_P}start_time_seconds", "When the agent started, Unix time.", standing.started_at)
        yield gauge(f"{_P}slots", "How many attempts may run at once.", roster.slots)
        yield gauge(f"{_P}attempts_running", "Attempts that have not ended.", roster.running)
        yield counter(f"{_P}leases_total", "Leases taken since the start.", roster.tally.leases)
        yield Metric(
            name=f"{_P}outcomes_total",
            kind="counter",
            help="Outcomes delivered since the start, by kind of ending.",
            samples=tuple(({"kind": kind}, float(n)) for kind, n in sorted(roster.tally.outcomes.items())),
        )
        yield gauge(f"{_P}link_up", "1 while the API answers.", standing.is_connected)
        yield counter(f"{_P}link_breaks_total", "How often the link broke since the start.", self._link.breaks_in_all)
        yield gauge(
            f"{_P}last_contact_seconds",
            "How long ago the API last answered a request for work; a request waits up to a minute.",
            None if standing.last_contact is None else max(0.0, time.time() - standing.last_contact),
        )
        yield Metric(
            name=f"{_P}reason",
            kind="gauge",
            help="1 for each reason that holds; blocks says whether no new work is taken because of it.",
            samples=tuple(({"name": one.name.value, "blocks": str(one.blocks).lower()}, 1.0) for one in roster.reasons),
        )
        yield gauge(f"{_P}takes_work", "1 while no reason keeps new work out.", not roster.paused_because)
        yield from _of_the_disk(self._vitals())


def _of_the_disk(vitals: Vitals | None) -> Iterator[Metric]:
    if vitals is None:
        return
    yield gauge(f"{_P}disk_free_bytes", "Free space where the state directory is.", vitals.disk_free_bytes)
    yield gauge(f"{_P}disk_budget_bytes", "What attempts and bundles may take.", vitals.budget_bytes)
    yield gauge(f"{_P}spool_bytes", "What attempts and bundles take.", vitals.spool_bytes)
    yield gauge(f"{_P}undelivered_attempts", "Ended attempts not delivered whole.", vitals.undelivered_attempts)
    yield gauge(f"{_P}undelivered_log_bytes", "Bytes of log not acknowledged yet.", vitals.undelivered_log_bytes)
    yield gauge(
        f"{_P}oldest_undelivered_seconds",
        "How long ago the oldest of them ended; 0 when there is none.",
        vitals.oldest_undelivered_s or 0.0,
    )
    yield gauge(f"{_P}resident_memory_bytes", "Memory of the agent's process.", vitals.rss_bytes)
