"""The way to the API, step by step, each one timed: name, connection, TLS, the API itself, and its clock."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from leasehold_agent.clock import ServerClock
from leasehold_agent.config import Settings
from leasehold_agent.doctor.proxies import check_proxy, endpoint, masked
from leasehold_agent.errors import LinkError, Trouble, UnavailableError
from leasehold_agent.health.clock import clock_trouble
from leasehold_agent.identity.oauth import discover
from leasehold_agent.link.http import Http, tls_context
from leasehold_agent.link.proxy import proxy_for
from leasehold_protocol.findings import Finding, fine, problem, warning

_STEP_S = 10.0
_SLOW_MS = 1000.0
_SOON = timedelta(days=14)


async def check_network(url: str, settings: Settings, *, version: str) -> AsyncIterator[Finding]:
    """Go the whole way, as far as it leads."""
    for finding in check_proxy(url, settings.proxy):
        yield finding
    proxy = proxy_for(url, settings.proxy)
    try:
        host, port = endpoint(proxy or url)
    except ValueError:
        return
    named = await _name(host, port)
    yield named
    if named.cure:
        return
    connected = await _connection(host, port, of=masked(proxy) if proxy else url)
    yield connected
    if connected.verdict == "problem":
        return
    if proxy is None and url.startswith("https://"):
        secured = await asyncio.to_thread(_tls, url, host, port, settings.ca_file)
        yield secured
        if secured.verdict == "problem":
            return
    async for finding in _api(url, settings, version=version):
        yield finding


async def _name(host: str, port: int) -> Finding:
    started = time.monotonic()
    try:
        async with asyncio.timeout(_STEP_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        cure = "Check the name servers in /etc/resolv.conf."
        return problem("dns", f"no name server answered for {host} within {_STEP_S:.0f} s", cure, took_ms=_ms(started))
    except OSError as error:
        cure = f"Check the spelling of {host}, and the name servers in /etc/resolv.conf."
        return problem("dns", f"{host} is no known name: {error.strerror or error}", cure, took_ms=_ms(started))
    addresses = sorted({str(entry[4][0]) for entry in found})
    return fine("dns", f"{host} is {', '.join(addresses[:4])}", took_ms=_ms(started))


async def _connection(host: str, port: int, *, of: str) -> Finding:
    started = time.monotonic()
    try:
        async with asyncio.timeout(_STEP_S):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        text = f"nothing answers at {host}:{port} within {_STEP_S:.0f} s"
        cure = f"A firewall on the way drops it: let this machine reach {host}, TCP port {port}."
        return problem("connection", text, cure, took_ms=_ms(started))
    except OSError as error:
        cure = f"Check the address {of}, that its service runs, and that no firewall refuses port {port}."
        text = f"{host}:{port} can't be reached: {error.strerror or error}"
        return problem("connection", text, cure, took_ms=_ms(started))
    took = _ms(started)
    writer.close()
    if took > _SLOW_MS:
        return warning("connection", f"{host}:{port} answers slowly", "Look at the line and the proxy.", took_ms=took)
    return fine("connection", f"{host}:{port} takes connections", took_ms=took)


def _tls(url: str, host: str, port: int, ca_file: Path | None) -> Finding:
    from cryptography import x509

    started = time.monotonic()
    context = tls_context(url, ca_file)
    try:
        with (
            socket.create_connection((host, port), timeout=_STEP_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            certificate = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
            protocol = secured.version()
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate of {host} is not trusted: {error.verify_message or error.reason}"
        return problem("tls", text, _certificate_cure(text), took_ms=_ms(started))
    except (OSError, ValueError) as error:
        cure = "Something between here and the API speaks no TLS there: check the port, and any inspecting firewall."
        return problem("tls", f"no TLS with {host}:{port}: {error}", cure, took_ms=_ms(started))
    took, ends_at = _ms(started), certificate.not_valid_after_utc
    issuer = certificate.issuer.rfc4514_string()
    trust = f"trusted with ca_file {ca_file} besides the system's" if ca_file else "trusted by the system"
    text = f"{protocol}; certificate by {issuer}, good until {ends_at:%Y-%m-%d}; {trust}"
    if ends_at - datetime.now(UTC) < _SOON:
        return warning("tls", text, "Renew the API's certificate: without it no agent gets in.", took_ms=took)
    return fine("tls", text, took_ms=took)


def _certificate_cure(text: str) -> str:
    if "expired" in text:
        return "Renew the API's certificate; or correct this machine's clock, if it is wrong."
    if "not yet valid" in text:
        return "Correct this machine's clock."
    if "match" in text:
        return "Use the name that the certificate is made out to."
    return "If your certificate authority is a private one, name its PEM file: ca_file, or --ca-file."


async def _api(url: str, settings: Settings, *, version: str) -> AsyncIterator[Finding]:
    clock = ServerClock()
    http = Http(url, clock=clock, version=version, ca_file=settings.ca_file, proxy=settings.proxy)
    started = time.monotonic()
    try:
        async with asyncio.timeout(2 * _STEP_S):
            metadata = await discover(http)
    except TimeoutError:
        yield problem("api", f"{url} does not answer", "Look at the API's own log, and at any proxy before it.")
        return
    except LinkError as error:
        yield problem("api", f"{url} can't be used: {error}", _api_cure(error), took_ms=_ms(started))
        return
    finally:
        await http.close()
    yield fine("api", f"a Leasehold API ({metadata.issuer})", took_ms=_ms(started))
    trouble = clock_trouble(ahead_s=clock.ahead_s, limit_s=settings.clock_limit_s)
    if trouble is None:
        yield fine("clock", f"within {settings.clock_limit_s:.0f} s of the API's")
    else:
        yield warning("clock", trouble.removeprefix("clock: "), "Let the system keep its time: chrony, or timedatectl.")


def _api_cure(error: LinkError) -> str:
    if isinstance(error, UnavailableError):
        match error.trouble:
            case Trouble.NOT_THE_API:
                return "Check the address: it is the API's own, without a path. A proxy's sign-in page may answer, too."
            case Trouble.TLS | Trouble.TLS_TIME:
                return _certificate_cure(str(error))
            case Trouble.PROXY:
                return (
                    "If the proxy asks for a password: HTTPS_PROXY=http://NAME:PASSWORD@host:port, in the environment "
                    "of the agent's service, too. To ask the API directly, add its name to NO_PROXY."
                )
            case Trouble.SERVER_ERROR | Trouble.BUSY:
                return "Look at the API's log; nothing is wrong here."
            case _:
                return "Check the address, and the proxy where there is one."
    return "Check the address with who runs the API."


def _ms(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 1)
