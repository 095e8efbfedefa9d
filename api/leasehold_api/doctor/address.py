"""The way from the public address to this service: name, TLS, who answers, and what lies in between."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from leasehold_api import clock
from leasehold_api.config import Settings
from leasehold_api.context.sealing import Sealer
from leasehold_api.doctor.certificates import check_shown_certificate
from leasehold_api.http.probe import HEADER, PATH, PURPOSE
from leasehold_api.noted_address import address_of
from leasehold_api.oauth.possession.nonces import Nonces
from leasehold_protocol.findings import Finding, Verdict, fine, problem, warning

QUIET_S = 1.0
"""How long the answer pauses between its lines: what holds it back brings both together."""
_STEP_S = 10.0
_STREAMS = (
    "Let the proxy pass answers on as they come: `proxy_buffering off` in nginx; packaging/api/nginx.conf has a whole "
    "example. Until then agents with a stream ask for their leases instead, which costs a request each."
)
_CUTS = (
    "Give requests 65 s and more: `proxy_read_timeout 75s` in nginx; or set poll_wait_s below what the proxy allows."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came back of one question: its lines, and when each came, in seconds since it was sent."""

    status: int
    lines: list[tuple[float, dict[str, Any]]]
    was_cut_after_s: float | None = None


def check_address(settings: Settings, sealer: Sealer | None, *, is_patient: bool) -> Iterator[Finding]:
    """Go the way that agents go, as far as it leads."""
    url = address_of(settings)
    parts = urlsplit(url)
    yield _public(settings, url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or _port_of(parts.scheme), type=socket.SOCK_STREAM)
    except OSError as error:
        cure = "Correct public_url, or the name servers: agents look the name up as well."
        yield problem("dns", f"{parts.hostname} is no known name here: {error.strerror or error}", cure)
        return
    addresses = sorted({str(entry[4][0]) for entry in found})
    yield fine("dns", f"{parts.hostname} is {', '.join(addresses[:4])}")
    if parts.scheme == "https":
        shown = check_shown_certificate(url)
        yield shown
        if shown.verdict is Verdict.PROBLEM:
            return
    if sealer is None:
        yield warning("way", "who answers there was not looked at: the key files can't be used", "See above.")
        return
    yield from _way(url, sealer, is_patient=is_patient)


def _public(settings: Settings, url: str) -> Finding:
    if settings.public_url is None and settings.host not in {"127.0.0.1", "::1", "localhost"}:
        cure = "Set public_url to the address that agents use, like https://leasehold.example.com"
        return warning("address", f"public_url is not set, and {url} is no address that others can use", cure)
    return fine("address", f"{url} is what agents and people use")


def _way(url: str, sealer: Sealer, *, is_patient: bool) -> Iterator[Finding]:
    nonces = Nonces(lambda: sealer.derived(PURPOSE))
    try:
        heard = ask(url, nonces, quiet_s=QUIET_S)
    except httpx.HTTPError as error:
        cure = "Start leasehold-api, and the proxy where there is one; look at their logs."
        yield problem("way", f"nothing answers at {url}: {error}", cure)
        return
    if heard.status != 200 or not heard.lines:
        yield _stranger(url, heard.status)
        return
    yield fine("way", f"{url} leads to this service", took_ms=round(heard.lines[0][0] * 1000, 1))
    yield _seen_as(heard.lines[0][1])
    first, last = heard.lines[0][0], heard.lines[-1][0]
    # Both lines together: something kept the first until the answer was whole.
    if heard.was_cut_after_s is None and last - first < QUIET_S / 2:
        yield problem("streams", "an answer comes only when it is whole: a proxy on the way holds it back", _STREAMS)
    else:
        yield fine("streams", "answers come as they are written")
    wait_s = float(heard.lines[0][1].get("wait_s", 50.0))
    if is_patient:
        yield _long_poll(url, nonces, wait_s)
    else:
        cure = f"Try it: leasehold-api doctor --patient (takes {wait_s:.0f} s)."
        yield Finding(check="long polls", verdict=Verdict.OK, text="not tried", cure=cure)


def _long_poll(url: str, nonces: Nonces, wait_s: float) -> Finding:
    try:
        heard = ask(url, nonces, quiet_s=wait_s)
    except httpx.HTTPError as error:
        return problem("long polls", f"a request that waits {wait_s:g} s is not answered: {error}", _CUTS)
    if heard.was_cut_after_s is not None or len(heard.lines) < 2:
        after = heard.was_cut_after_s or (heard.lines[-1][0] if heard.lines else 0.0)
        return problem("long polls", f"a request that waits {wait_s:g} s is cut after {after:.0f} s", _CUTS)
    return fine("long polls", f"a request may wait {wait_s:g} s, as agents' do")


def _seen_as(line: dict[str, Any]) -> Finding:
    client = line.get("client") or "nobody"
    return fine("caller", f"this machine is seen as {client}; the audit trail has such addresses")


def _stranger(url: str, status: int) -> Finding:
    if status == 403:
        text = f"{url} leads to a Leasehold API, but one with other key-encryption keys"
        cure = "Correct public_url or the proxy. With several servers: all need the same key files."
    elif status in {502, 503, 504}:
        text = f"the proxy at {url} can't reach this service ({status})"
        cure = "Start leasehold-api, and look whether the proxy has its host and port."
    else:
        text = f"what answers at {url} is not this service ({status})"
        cure = "Correct public_url or the proxy: every path belongs to leasehold-api, which has to be of this version."
    return problem("way", text, cure)


def ask(url: str, nonces: Nonces, *, quiet_s: float) -> Heard:
    """Ask the service at ``url`` for its two lines.

    Raises:
        httpx.HTTPError: no answer began.
    """
    headers = {HEADER: nonces.fresh(now=clock.now())}
    timeout = httpx.Timeout(_STEP_S, read=quiet_s + _STEP_S)
    started = time.monotonic()
    lines: list[tuple[float, dict[str, Any]]] = []
    with (
        httpx.Client(trust_env=False, verify=ssl.create_default_context(), timeout=timeout) as client,
        client.stream("GET", f"{url}{PATH}", params={"quiet_s": quiet_s}, headers=headers) as answer,
    ):
        try:
            lines.extend((time.monotonic() - started, _read(line)) for line in answer.iter_lines())
        except httpx.HTTPError:
            return Heard(status=answer.status_code, lines=lines, was_cut_after_s=time.monotonic() - started)
        return Heard(status=answer.status_code, lines=lines)


def _read(line: str) -> dict[str, Any]:
    try:
        said: Any = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _port_of(scheme: str) -> int:
    return 443 if scheme == "https" else 80
