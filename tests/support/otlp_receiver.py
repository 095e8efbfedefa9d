"""A collector on loopback that reads what it gets with OpenTelemetry's own definitions."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest


class Receiver:
    """What a collector was sent, and what it answers next."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[tuple[int, str]] = []
        """(status, body) of the next answers; then 200."""

    def metrics(self, number: int = -1) -> dict[str, Any]:
        """Return the metrics of one request by name."""
        request = ExportMetricsServiceRequest()
        json_format.Parse(self.bodies[number], request)
        (resource,) = request.resource_metrics
        assert resource.resource.attributes[0].value.string_value == "leasehold"
        return {metric.name: metric for metric in resource.scope_metrics[0].metrics}


def attributes(point: Any) -> dict[str, str]:
    """Return a data point's attributes."""
    return {each.key: each.value.string_value for each in point.attributes}


@contextmanager
def otlp_receiver() -> Generator[Receiver]:
    """Serve a collector."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
            status, body = receiver.answers.pop(0) if receiver.answers else (200, "{}")
            self.send_response(status if self.path == "/v1/metrics" else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
