"""HTTP/1.1 with JSON to the attempt host, over a Unix socket or loopback: as little of it as the task protocol needs.

Written on plain sockets because ``http.client`` alone would double the time a task needs to start. For the same reason
the socket is the one that the interpreter has built in: the module ``socket`` around it brings enumerations and
selectors, a good part of what a small task costs.
"""

from __future__ import annotations

import _socket
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket  # noqa: N812 - the built-in class

TASK_PROTOCOL = 1
"""The version of the task protocol that this SDK needs; a host that does not speak it says so."""

_PROTOCOL = f"Leasehold-Task-Protocol: {TASK_PROTOCOL}"
_LONGEST_HEAD = 64 * 1024


class WireError(OSError):
    """The exchange broke off, or what came back was not HTTP."""


class Wire:
    """A client of one address. Threads may share it; a forked child opens connections of its own."""

    def __init__(self, url: str, secret: str) -> None:
        self._address = _address(url)
        self._secret = secret
        self._idle: list[Socket] = []
        self._pid = os.getpid()

    def request(
        self, method: str, path: str, body: bytes = b"", *, timeout_s: float, wait_s: float | None = None
    ) -> tuple[int, bytes]:
        """Send one request and return (status, body).

        Args:
            method: The HTTP method.
            path: The path, percent-encoded.
            body: JSON text, or nothing.
            timeout_s: How long one send or receive may take.
            wait_s: How long the host may wait for the API (``Leasehold-Wait``).

        Raises:
            OSError: if the host can't be reached, does not answer in time, or breaks off.
        """
        message = self.head(method, path, len(body), wait_s) + body
        if connection := self._reusable():
            try:
                return self._exchange(connection, message, timeout_s)
            except TimeoutError:
                raise
            except OSError:
                pass  # the host closed a connection that had been idle: a new one decides
        return self._exchange(self.connect(timeout_s), message, timeout_s)

    def close(self) -> None:
        """Close the connections that are idle."""
        while self._idle:
            self._idle.pop().close()

    def head(self, method: str, path: str, length: int, wait_s: float | None = None, *more: str) -> bytes:
        """Return the head of a request; ``more`` are further header lines."""
        lines = [f"{method} {path} HTTP/1.1", "Host: task", f"Authorization: Bearer {self._secret}", _PROTOCOL]
        if length or method in ("PUT", "POST"):
            lines += [f"Content-Length: {length}", *(() if more else ("Content-Type: application/json",))]
        if wait_s is not None:
            lines.append(f"Leasehold-Wait: {wait_s:g}")
        return "\r\n".join([*lines, *more, "", ""]).encode("ascii")

    def _reusable(self) -> Socket | None:
        if self._pid != os.getpid():
            self.close()  # the parent's connections: closing our copies leaves the parent's open
            self._pid = os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def connect(self, timeout_s: float) -> Socket:
        """Return a new connection.

        Raises:
            OSError: if the host can't be reached.
        """
        if not isinstance(self._address, str):
            import socket

            connected = socket.create_connection(self._address, timeout_s)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connected
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        try:
            _connect_unix(connection, self._address, timeout_s)
        except BaseException:
            connection.close()
            raise
        return connection

    def _exchange(self, connection: Socket, message: bytes, timeout_s: float) -> tuple[int, bytes]:
        try:
            connection.settimeout(timeout_s)
            connection.sendall(message)
            status, keep, body = _read_answer(connection)
        except BaseException:
            connection.close()
            raise
        if keep:
            self._idle.append(connection)
        else:
            connection.close()
        return status, body


def _connect_unix(connection: Socket, path: str, timeout_s: float) -> None:
    """Connect, and wait while the host's queue of new connections is full: Linux answers EAGAIN then (unix(7))."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return connection.connect(path)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError("the attempt host accepts no connection") from None
            time.sleep(0.005)


def _address(url: str) -> str | tuple[str, int]:
    """Return a Unix socket's path, or (host, port).

    Raises:
        ValueError: if the URL is neither ``http+unix://<percent-encoded path>`` nor ``http://host:port``.
    """
    scheme, _, rest = url.partition("://")
    place = rest.rstrip("/")
    if scheme == "http+unix" and place:
        return unquote(place)
    host, colon, port = place.rpartition(":")
    if scheme == "http" and colon and port.isdigit():
        return host.strip("[]"), int(port)
    raise ValueError(f"LEASEHOLD_TASK_URL is {url!r}: it must be http+unix://<path> or http://<host>:<port>")


def unquote(text: str) -> str:
    """Undo percent-encoding (RFC 3986), without urllib's price at every start."""
    first, *rest = text.encode().split(b"%")
    decoded = first
    for part in rest:
        decoded += bytes.fromhex(part[:2].decode()) + part[2:]
    return decoded.decode()


def quote(text: str) -> str:
    """Percent-encode ``text`` so that it is one segment of a path or one value of a query."""
    return "".join(chr(byte) if chr(byte) in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())


_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def _read_answer(connection: Socket) -> tuple[int, bool, bytes]:
    """Return (status, whether the connection may be used again, body)."""
    status, keep, length, body = read_head(connection)
    if length is None:
        return status, False, _read_to_end(connection, body)
    return status, keep, _read_exactly(connection, body, length)


def read_head(connection: Socket) -> tuple[int, bool, int | None, bytes]:
    """Return (status, whether the connection may be used again, the body's length, what came of it already)."""
    received = b""
    while b"\r\n\r\n" not in received:
        # Compared before reading on: what was received last may have a long body behind a short head.
        if len(received) > _LONGEST_HEAD:
            raise WireError("the answer's head is too long to be the attempt host's")
        received += _receive(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *header_lines = head.decode("latin-1").split("\r\n")
    status = status_line.split(" ")[1] if status_line.startswith("HTTP/1.") else ""
    if not status.isdigit():
        raise WireError("the answer is not HTTP: LEASEHOLD_TASK_URL leads to something else")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in header_lines)}
    keep = headers.get("connection", "").lower() != "close" and status_line.startswith("HTTP/1.1")
    if "transfer-encoding" in headers:
        raise WireError("the answer has no plain length: it is not the attempt host's")
    if "content-length" not in headers and int(status) not in (204, 304):
        return int(status), False, None, body
    return int(status), keep, int(headers.get("content-length", 0)), body


def _read_exactly(connection: Socket, start: bytes, length: int) -> bytes:
    parts, missing = [start], length - len(start)
    while missing > 0:
        part = _receive(connection)
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)[:length]


def _read_to_end(connection: Socket, start: bytes) -> bytes:
    parts = [start]
    while part := connection.recv(262_144):
        parts.append(part)
    return b"".join(parts)


def _receive(connection: Socket) -> bytes:
    part = connection.recv(262_144)
    if not part:
        raise WireError("the attempt host closed the connection before it had answered")
    return part
