"""A proxy that asks for a name and a password before it lets anything through (RFC 9110, ``CONNECT``)."""

from __future__ import annotations

import socket
import threading
from base64 import b64encode
from contextlib import suppress


class ProxyServer:
    """Listens on the loopback address, in threads of its own."""

    def __init__(self, *, user: str, password: str) -> None:
        self._wanted = b"Proxy-Authorization: Basic " + b64encode(f"{user}:{password}".encode())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.let_through = 0
        self.turned_away = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head and (chunk := client.recv(4096)):
                head += chunk
            if self._wanted.lower() not in head.lower():
                self.turned_away += 1
                client.sendall(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                    b'Proxy-Authenticate: Basic realm="site"\r\nContent-Length: 0\r\n\r\n'
                )
                return
            self.let_through += 1
            host, _, port = head.split(b" ", 2)[1].decode().rpartition(":")
            with socket.create_connection((host, int(port))) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
                back.start()
                _pass_on(client, server)
                back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
