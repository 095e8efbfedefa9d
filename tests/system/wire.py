"""What goes over the wire between a site and the API, recorded: a forwarder of TCP that keeps every byte."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_TARGET = re.compile(rb"(?:^|\r\n)(?:GET|POST|PUT|PATCH|DELETE|HEAD) (\S+) HTTP/1\.1\r\n")
_ADDRESS_HEADER = re.compile(rb"\r\n(?:location|referer|link): ([^\r]+)\r\n", re.IGNORECASE)


class Wire:
    """Listens on a free port; passes everything on, once it knows where to, and keeps it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self._said: list[bytearray] = []
        self._target = ("", 0)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def forward_to(self, url: str) -> None:
        """Begin to pass on, to the server at ``url``."""
        parts = urlsplit(url)
        self._target = (str(parts.hostname), int(parts.port or 80))
        threading.Thread(target=self._accept, daemon=True).start()

    def said(self) -> list[bytes]:
        """Return what was said so far: each direction of each connection by itself."""
        return [bytes(part) for part in self._said]

    def addresses(self) -> bytes:
        """Return every request's target, with its query, and every address in a header."""
        found = [
            each for part in self.said() for pattern in (_TARGET, _ADDRESS_HEADER) for each in pattern.findall(part)
        ]
        return b"\n".join(found)

    def close(self) -> None:
        """End, with every connection."""
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._ends += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        kept = bytearray()
        self._said.append(kept)
        with suppress(OSError):
            while data := source.recv(65536):
                kept += data
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def open_wire() -> Generator[Wire]:
    """Return a wire, and close it in the end."""
    wire = Wire()
    try:
        yield wire
    finally:
        wire.close()
