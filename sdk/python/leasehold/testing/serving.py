"""The task protocol on a Unix socket, answered by a host in memory: for programs that a test runs.

``curl``, Node, ``edge-agent task`` and forked children find it as they find a real one, by ``LEASEHOLD_TASK_URL``.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socketserver
import sys
import tempfile
import threading
from collections.abc import Mapping
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self, cast
from urllib.parse import quote

from leasehold.runtime.in_memory.host import LocalHost
from leasehold.runtime.rules import asking
from leasehold.runtime.rules.limits import longest_body, too_large
from leasehold.runtime.rules.refusals import RefusedRequestError
from leasehold.runtime.wire import TASK_PROTOCOL


class TaskServer:
    """Serves one host at a time, from a folder of its own."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lh-test-")  # a socket's path may have 107 bytes
        self._path = str(Path(self._folder.name) / "task.sock")
        self._bindings = _bindings()
        self._server = _Server(self._path, _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def lead_to(self, host: LocalHost, attempt: str) -> dict[str, str]:
        """Answer with ``host`` from now on; return the variables by which a program finds it."""
        self._server.secret = secrets.token_urlsafe(16)
        self._server.host = host
        return {
            **self._bindings,
            "LEASEHOLD_ATTEMPT": attempt,
            "LEASEHOLD_TASK_PROTOCOL": str(TASK_PROTOCOL),
            "LEASEHOLD_TASK_SOCKET": self._path,
            "LEASEHOLD_TASK_URL": "http+unix://" + quote(self._path, safe=""),
            "LEASEHOLD_TASK_SECRET": self._server.secret,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._folder.cleanup()


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False  # a connection that a task keeps open must not hold up the end of a test
    request_queue_size = 1024
    host: LocalHost | None = None
    secret = ""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    @property
    def _house(self) -> _Server:
        return cast("_Server", self.server)

    def _serve(self) -> None:
        try:
            self._authorise()
            status, answer = self._answer()
        except RefusedRequestError as refused:
            status, answer = refused.status, json.dumps(refused.problem()).encode()
            self.close_connection = True
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
            self.send_header("Content-Length", str(len(answer)))
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = do_HEAD = _serve  # noqa: N815 - the names http.server looks for

    def _authorise(self) -> None:
        _, _, given = self.headers.get("Authorization", "").partition(" ")
        if not compare_digest(given.strip().encode(), self._house.secret.encode()):
            detail = "the task secret is missing or wrong: send it as `Authorization: Bearer $LEASEHOLD_TASK_SECRET`"
            raise RefusedRequestError(401, "unauthenticated", detail)

    def _answer(self) -> tuple[int, bytes]:
        host = self._house.host
        if host is None:
            raise RefusedRequestError(503, "unavailable", "no task is running")
        wait_s = asking.wait_s(self.headers.get("Leasehold-Wait"), asking.READ_WAIT_S)
        return host.request(self.command, self.path, self._body(), wait_s=wait_s)

    def _body(self) -> bytes:
        limit = longest_body(self.command, self.path)
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunks(limit)
        length = int(self.headers.get("Content-Length") or 0)
        if length > limit:
            raise too_large(limit)
        return self.rfile.read(length)

    def _chunks(self, limit: int) -> bytes:
        body = bytearray()
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            if len(body) + size > limit:
                raise too_large(limit)
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return bytes(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server calls it by
        """Nobody reads it."""


def _bindings() -> Mapping[str, str]:
    """Return where programs find the bindings, as far as they are installed beside us."""
    found: dict[str, str] = {}
    beside = Path(sys.executable).with_name("edge-agent")
    if command := (str(beside) if os.access(beside, os.X_OK) else shutil.which("edge-agent")):
        found["LEASEHOLD_EDGE_AGENT"] = command
    agent = find_spec("leasehold_agent")
    for folder in (agent.submodule_search_locations or []) if agent else []:
        if (module := Path(folder) / "sdk_js/index.js").is_file():
            found["LEASEHOLD_SDK_JS"] = str(module.resolve())
    return found
