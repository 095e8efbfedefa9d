"""A small attempt host for tests: the local task protocol on a real Unix socket, everything kept in memory."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from leasehold_protocol.v1.context import ConnectionValue, VariableValue, XComValue
from leasehold_protocol.v1.message import Message
from leasehold_protocol.v1.problems import Problem, ProblemCode
from leasehold_protocol.v1.tasks import (
    EndingWrite,
    HeartbeatWrite,
    IdToken,
    IdTokenRequest,
    LabelWrite,
    LogWrite,
    MaskWrite,
    MetricWrite,
    ResultWrite,
    TaskContext,
)

SECRET = "one-attempt-only"


class TaskServer:
    """What one attempt was given, and what its task said. ``url`` is its ``LEASEHOLD_TASK_URL``."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.context: TaskContext | None = None
        self.connections: dict[str, ConnectionValue] = {}
        self.variables: dict[str, Any] = {}
        self.declared: set[str] = set()
        self.upstream: dict[str, Any] = {}
        self.problem: Problem | None = None
        self.results: list[Any] = []
        self.xcoms: dict[str, Any] = {}
        self.endings: list[EndingWrite] = []
        self.logs: list[LogWrite] = []
        self.metrics: list[MetricWrite] = []
        self.heartbeats: list[HeartbeatWrite] = []
        self.masks: list[str] = []
        self.labels: list[str] = []
        self.waits: list[str | None] = []
        self.facts: dict[str, list[Message]] = {}
        """``GET /v1/runs/run_9`` → its answers, one after another; the last one stays."""
        self.asked: list[tuple[dict[str, list[str]], Any]] = []
        """Query and body of what was answered with them."""
        self.accepted = 0

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a task process gets."""
        return {"LEASEHOLD_TASK_URL": self.url, "LEASEHOLD_TASK_SECRET": SECRET}

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Message | None]:
        """Return (status, message) for one request."""
        if self.problem:
            return self.problem.status, self.problem
        if answers := self.facts.get(f"{method} {path}"):
            self.asked.append((query, body))
            return 200, answers.pop(0) if len(answers) > 1 else answers[0]
        match method, path.split("/")[2:]:
            case "GET", ["context"] if self.context:
                return 200, self.context
            case "GET", ["connections", name]:
                return self._found(unquote(name), self.connections.get(unquote(name)))
            case "GET", ["variables", key]:
                known = unquote(key) in self.variables
                value = VariableValue(key=unquote(key), value=self.variables.get(unquote(key)))
                return self._found(unquote(key), value if known else None)
            case "GET", ["xcoms", key]:
                name = f"{query['task'][0]}/{unquote(key)}"
                found = XComValue(task=query["task"][0], key=unquote(key), size=1, value=self.upstream.get(name))
                return self._found(name, found if name in self.upstream else None)
            case "POST", ["id-token"]:
                asked = IdTokenRequest.model_validate(body).audience
                issued = IdToken(
                    token=f"token-for-{asked}", audience=asked, expires_at=datetime(2026, 1, 1, tzinfo=UTC)
                )
                return self._found(asked, issued if asked in self.declared else None)
            case "DELETE", ["variables", key]:
                known = self.variables.pop(unquote(key), None) is not None
                return (204, None) if known else self._found(unquote(key), None)
            case _:
                return self._take(method, path.split("/")[2:], body)

    def _take(self, method: str, path: list[str], body: Any) -> tuple[int, Message | None]:
        match method, path:
            case "PUT", ["variables", key]:
                self.variables[unquote(key)] = body["value"]
            case "PUT", ["result"]:
                self.results.append(ResultWrite.model_validate(body).value)
            case "PUT", ["xcoms", key]:
                self.xcoms[unquote(key)] = ResultWrite.model_validate(body).value
            case "PUT", ["ending"]:
                self.endings.append(EndingWrite.model_validate(body))
            case "POST", ["log"]:
                self.logs.append(LogWrite.model_validate(body))
            case "POST", ["metrics"]:
                self.metrics.append(MetricWrite.model_validate(body))
            case "POST", ["heartbeat"]:
                self.heartbeats.append(HeartbeatWrite.model_validate(body))
            case "POST", ["label"]:
                self.labels.append(LabelWrite.model_validate(body).label)
            case "POST", ["mask"]:
                self.masks.append(MaskWrite.model_validate(body).value)
            case _:
                return 404, _problem(404, ProblemCode.NOT_FOUND, f"there is no {method} /v1/{'/'.join(path)}")
        return 204, None

    def _found(self, name: str, value: Message | None) -> tuple[int, Message]:
        if value is not None:
            return 200, value
        if name in self.declared:
            return 404, _problem(404, ProblemCode.NOT_FOUND, f"there is no {name!r}")
        return 403, _problem(403, ProblemCode.NOT_DECLARED, f"{name!r} is not declared: add it to @task(…)")


def _wrong_secret() -> tuple[int, Message | None]:
    return 401, _problem(401, ProblemCode.UNAUTHENTICATED, "wrong secret")


def _problem(status: int, code: ProblemCode, detail: str) -> Problem:
    return Problem(title=code.value, status=status, code=code, detail=detail)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    attempt: TaskServer


class _LoopbackServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    attempt: TaskServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server | _LoopbackServer

    def setup(self) -> None:
        super().setup()
        self.server.attempt.accepted += 1

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        attempt = self.server.attempt
        attempt.waits.append(self.headers.get("Leasehold-Wait"))
        url = urlsplit(self.path)
        if self.headers.get("Authorization") != f"Bearer {SECRET}":
            status, message = _wrong_secret()
        else:
            given = json.loads(body) if body else None
            status, message = attempt.answer(self.command, url.path, parse_qs(url.query), given)
        text = message.model_dump_json(by_alias=True).encode() if message else b""
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if text:
            self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - the names http.server looks for

    def address_string(self) -> str:
        return "task"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's own name
        pass


@contextmanager
def serve_task(folder: Path) -> Iterator[TaskServer]:
    """Serve one attempt on a socket in ``folder`` (its path must be short: 107 bytes at most)."""
    path = folder / "task.sock"
    with _Server(str(path), _Handler) as server:
        yield from _serving(server, f"http+unix://{quote(str(path), safe='')}")


@contextmanager
def serve_task_on_loopback() -> Iterator[TaskServer]:
    """Serve one attempt as it is served where there are no Unix sockets."""
    with _LoopbackServer(("127.0.0.1", 0), _Handler) as server:
        yield from _serving(server, f"http://127.0.0.1:{server.server_address[1]}")


def _serving(server: _Server | _LoopbackServer, url: str) -> Iterator[TaskServer]:
    server.attempt = TaskServer(url)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.attempt
    finally:
        server.shutdown()
        thread.join(5)
