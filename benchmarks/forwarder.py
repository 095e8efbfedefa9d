"""A TCP forwarder on the loopback address that counts the bytes and the requests that pass through it."""

from __future__ import annotations

import re
import socket
import threading
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

_END_OF_REQUEST_LINE = b" HTTP/1.1\r\n"
_REQUEST_LINE = re.compile(rb"[A-Z]+ ([^ ?]+)[^ ]* HTTP/1\.1\r\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What passed through so far."""

    sent: int = 0
    """Bytes from the agent."""
    received: int = 0
    """Bytes to the agent."""
    requests: int = 0

    @property
    def bytes(self) -> int:
        """Both directions together."""
        return self.sent + self.received

    def __sub__(self, earlier: Count) -> Count:
        """Return what passed since."""
        return Count(
            sent=self.sent - earlier.sent,
            received=self.received - earlier.received,
            requests=self.requests - earlier.requests,
        )

    def __add__(self, more: Count) -> Count:
        """Return both together."""
        return Count(
            sent=self.sent + more.sent,
            received=self.received + more.received,
            requests=self.requests + more.requests,
        )


class _Asked:
    """The path of the request that a connection is about at this moment; HTTP/1.1 has one at a time."""

    path = ""


class Forwarder:
    """Listens on a free port; passes everything on once it knows where to."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._target: tuple[str, int] | None = None
        self._lock = threading.Lock()
        self._counted = Count()
        self._by_path: defaultdict[str, Count] = defaultdict(Count)
        self._connections: list[socket.socket] = []
        self.changed = threading.Condition(self._lock)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def counted(self) -> Count:
        """What passed through so far."""
        with self._lock:
            return self._counted

    def counted_of(self, path: str) -> Count:
        """What passed through so far for requests of one path, their answers included."""
        with self._lock:
            return self._by_path[path]

    def forward_to(self, url: str) -> None:
        """Begin to pass on, to the server at ``url``."""
        parts = urlsplit(url)
        self._target = (str(parts.hostname), parts.port or 80)
        threading.Thread(target=self._accept, daemon=True).start()

    def wait_for_requests(self, requests: int, *, seconds: float) -> bool:
        """Wait until so many requests were counted in all."""
        with self.changed:
            return self.changed.wait_for(lambda: self._counted.requests >= requests, seconds)

    def close(self) -> None:
        """End, with every connection."""
        # A shutdown, not a close: only that wakes threads that wait in accept or recv.
        for end in (self._listener, *self._connections):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        assert self._target
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                for end in (near, far):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connections += [near, far]
                asked = _Asked()
                for source, sink, is_request in ((near, far, True), (far, near, False)):
                    threading.Thread(target=self._pass, args=(source, sink, asked, is_request), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, asked: _Asked, is_request: bool) -> None:
        tail = b""
        with suppress(OSError):
            while data := source.recv(65536):
                if is_request and (begun := _REQUEST_LINE.match(data)):
                    asked.path = begun[1].decode("latin-1")
                self._count(data, tail, asked.path, is_request=is_request)
                tail = data[-len(_END_OF_REQUEST_LINE) + 1 :]
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _count(self, data: bytes, tail: bytes, path: str, *, is_request: bool) -> None:
        passed = Count(
            sent=len(data) * is_request,
            received=len(data) * (not is_request),
            requests=is_request * (tail + data).count(_END_OF_REQUEST_LINE),
        )
        with self.changed:
            self._counted += passed
            self._by_path[path] += passed
            self.changed.notify_all()
