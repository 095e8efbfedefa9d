"""Downloads from any web server, piece by piece and in a thread of its own; no identity of the agent is shown there.

Beside ``http`` the only module that knows the HTTP client. Nothing that comes is trusted: whoever asked for it checks
it, and says how much it may be.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from leasehold_agent.errors import RefusedError, Trouble, UnavailableError
from leasehold_agent.link.http import tls_context, unavailable
from leasehold_agent.link.proxy import proxy_for

_SILENCE_S = 30.0
_PATIENCE_S = 60.0
"""After so long it has to come at some speed: a server that sends a byte now and then would hold it up for ever."""
_SLOWEST = 4096
"""Bytes a second, on average."""


class Downloads:
    """A connection pool to one web server."""

    def __init__(self, url: str, *, version: str, ca_file: Path | None = None) -> None:
        self._client = httpx.Client(
            headers={"user-agent": f"leasehold-agent/{version}", "accept-encoding": "identity"},
            transport=httpx.HTTPTransport(verify=tls_context(url, ca_file), proxy=proxy_for(url)),
            timeout=httpx.Timeout(_SILENCE_S),
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def pieces(self, url: str) -> Iterator[bytes]:
        """Yield what is at ``url`` as it comes, however much that is.

        Raises:
            RefusedError: the server has no such thing, or gives it to nobody.
            UnavailableError: no answer came, it broke off, or it comes too slowly.
        """
        began, received = time.monotonic(), 0
        with self._answer(url) as answer:
            if answer.status_code >= 500:
                raise UnavailableError(Trouble.SERVER_ERROR, f"{answer.status_code} at {url}")
            if answer.status_code != 200:
                raise RefusedError(answer.status_code, "no_such_file", url)
            for piece in answer.iter_raw(64 * 1024):
                received += len(piece)
                took = time.monotonic() - began
                if took > _PATIENCE_S and received < _SLOWEST * took:
                    raise UnavailableError(Trouble.TIMEOUT, f"{url} comes too slowly to be worth the wait")
                yield piece

    @contextmanager
    def _answer(self, url: str) -> Generator[httpx.Response, None, None]:
        try:
            with self._client.stream("GET", url) as answer:
                yield answer
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise unavailable(error) from error
