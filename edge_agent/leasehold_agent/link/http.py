"""Sends one request, and says what went wrong in our own words. With ``downloads`` alone it knows the HTTP client."""

from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

if "httpx" not in sys.modules:
    # Where click happens to be installed, httpx loads its command line with it: 5 MiB that the agent never uses.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # None makes the import fail, which httpx expects
    import httpx

    del sys.modules["httpx._main"]
import httpx

from leasehold_agent.calls import Answer, Call, check
from leasehold_agent.clock import ServerClock
from leasehold_agent.errors import Trouble, UnavailableError
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.link.proxy import proxy_for

_PROMPT_S = 2.0
"""A later answer tells nothing of the clock: to a request that waited, servers give the time at which it came.

No longer than what counts as a difference of clocks: a poll of four seconds once set this clock back by as much, and
the greeting after it freed no lease, because it seemed to be older than it was."""
_BY_THE_CLOCK = {9, 10}
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and …_HAS_EXPIRED."""
ANSWER_LIMIT = 64 * 1024 * 1024
"""The most bytes of one answer that are read into memory."""


def tls_context(url: str, ca_file: Path | None) -> ssl.SSLContext:
    """Return the one TLS context: the system's trust store, plus the site's own certificate authorities.

    Raises:
        OperatorError: ``ca_file`` can't be read, or holds no certificate.
    """
    if url.startswith("http://"):
        # Loopback: no certificate is ever checked, so none is loaded. Should it be used, it trusts nobody.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    import truststore

    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=str(ca_file))
        except OSError as error:  # an SSLError is one, too
            raise OperatorError(
                Exit.USAGE, f"ca_file {ca_file} can't be used: {error}.", "Name a PEM file with certificates in it."
            ) from error
    return context


def keepalive(seconds: int) -> list[tuple[int, int, int]]:
    """Return the socket options by which the kernel notices, within twice so long, that the other end is gone.

    A firewall that drops says nothing: no connection, idle or with bytes under way, would end by itself for long.
    """
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    wanted = {
        "TCP_KEEPIDLE": seconds,
        "TCP_KEEPINTVL": seconds,
        "TCP_KEEPCNT": 1,
        "TCP_USER_TIMEOUT": 2000 * seconds,
    }
    for name, value in wanted.items():
        if (option := getattr(socket, name, None)) is not None:  # Not every system has each of them.
            options.append((socket.IPPROTO_TCP, option, value))
    return options


class Http:
    """A connection pool to one API."""

    def __init__(
        self,
        url: str,
        *,
        clock: ServerClock,
        version: str,
        ca_file: Path | None = None,
        proxy: str | None = None,
        keepalive_s: int = 20,
    ) -> None:
        self.url = url.rstrip("/")
        self.progressed_at = time.monotonic()
        """When a request was last begun, answered or given up: the watchdog looks at it."""
        self._clock = clock
        self._client = httpx.AsyncClient(
            headers={"user-agent": f"leasehold-agent/{version}"},
            transport=httpx.AsyncHTTPTransport(
                verify=tls_context(url, ca_file),
                limits=httpx.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=90.0),
                proxy=proxy_for(url, proxy),
                socket_options=keepalive(keepalive_s),
            ),
            follow_redirects=False,
        )
        for implied in ("accept", "connection"):  # by what HTTP/1.1 takes for granted; an idle day has 3,000 requests
            self._client.headers.pop(implied, None)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def absolute(self, url: str) -> str:
        """Return ``url`` with the API's address in front when it is only a path."""
        return self.url + url if url.startswith("/") else url

    async def send(self, call: Call) -> Answer:
        """Send one request once, and return its answer whatever its status.

        Raises:
            UnavailableError: no answer came.
        """
        async with self.stream(call) as (status, headers, chunks):
            body = bytearray()
            async for chunk in chunks:
                body += chunk
                if len(body) > ANSWER_LIMIT:
                    raise UnavailableError(Trouble.NOT_THE_API, "the answer is larger than any answer of the API")
            return Answer(status=status, headers=headers, body=bytes(body))

    async def download(self, call: Call) -> AsyncGenerator[bytes, None]:
        """Yield the body of a successful answer as it arrives.

        Raises:
            LinkError: as ``check`` says.
        """
        async with self.stream(call) as (status, headers, chunks):
            if not 200 <= status < 300:
                body = b"".join([chunk async for chunk in chunks])
                check(Answer(status=status, headers=headers, body=body))
            async for chunk in chunks:
                yield chunk

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncGenerator[tuple[int, dict[str, str], AsyncIterator[bytes]], None]:
        """Send a request and give its answer as (status, headers, body chunks)."""
        request = self._client.build_request(
            call.method,
            self.absolute(call.url),
            headers=dict(call.headers),
            content=call.content() if call.content is not None else call.body or None,
            timeout=httpx.Timeout(call.timeout_s, connect=min(call.timeout_s, 15.0)),
        )
        asked_at = self.progressed_at = time.monotonic()
        try:
            response = await self._client.send(request, stream=True)
            self.progressed_at = time.monotonic()
            try:
                headers = {name.lower(): value for name, value in response.headers.items()}
                if time.monotonic() - asked_at < _PROMPT_S:
                    self._clock.learn(headers.get("date"), local=time.time())
                yield response.status_code, headers, response.aiter_bytes()
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            self.progressed_at = time.monotonic()
            raise unavailable(error) from error


def unavailable(error: Exception) -> UnavailableError:
    """Return our word for what httpx met; the reason sits somewhere in the chain of causes."""
    reasons = list(_chain(error))
    if isinstance(error, httpx.ProxyError):
        return UnavailableError(Trouble.PROXY, str(error))
    for reason in reasons:
        if isinstance(reason, ssl.SSLCertVerificationError) and reason.verify_code in _BY_THE_CLOCK:
            return UnavailableError(Trouble.TLS_TIME, reason.verify_message)
        if isinstance(reason, ssl.SSLError):
            return UnavailableError(Trouble.TLS, getattr(reason, "verify_message", "") or reason.reason or str(reason))
        if isinstance(reason, socket.gaierror):
            return UnavailableError(Trouble.DNS, str(reason.strerror or reason))
        if isinstance(reason, ConnectionRefusedError):
            return UnavailableError(Trouble.REFUSED_CONNECTION)
    if any(isinstance(reason, (httpx.TimeoutException, TimeoutError)) for reason in reasons):
        return UnavailableError(Trouble.TIMEOUT)
    return UnavailableError(Trouble.BROKEN, str(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, what caused it, and (happy eyeballs group several) each of their parts; each of a circle once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            for part in error.exceptions:
                yield from _chain(part)
        error = error.__cause__ or error.__context__
