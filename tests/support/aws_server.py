"""An AWS Secrets Manager for tests: GetSecretValue as its API reference documents it, on a loopback socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class AwsServer:
    """What it knows, and what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.secrets: dict[str, dict[str, Any]] = {}
        """By name: the answer's fields by stage or version."""
        self.error: tuple[int, str] | None = None
        self.asked: list[tuple[dict[str, Any], dict[str, str]]] = []
        """Bodies and headers of requests."""
        self.gate = threading.Event()
        self.gate.set()

    def answer(self, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Return (status, body) for one request."""
        self.asked.append((body, headers))
        self.gate.wait(20)
        if self.error is not None:
            status, code = self.error
            return status, {"__type": code, "Message": "arn:aws:iam::123456789012:role/secret-role is not authorised"}
        versions = self.secrets.get(body["SecretId"], {})
        wanted = body.get("VersionId") or body.get("VersionStage", "AWSCURRENT")
        if wanted not in versions:
            return 400, {"__type": "ResourceNotFoundException", "Message": "Secrets Manager can't find it."}
        return 200, {"Name": body["SecretId"], "VersionStages": [wanted], **versions[wanted]}


@contextmanager
def serve_aws() -> Iterator[AwsServer]:
    """Serve on a free port."""
    aws = AwsServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = aws.answer(body, {name.lower(): value for name, value in self.headers.items()})
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's own name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        aws.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield aws
        finally:
            aws.gate.set()
            server.shutdown()
            thread.join(5)
