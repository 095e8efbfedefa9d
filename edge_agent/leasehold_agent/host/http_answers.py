"""Answers to a task's requests, and refusals: problem documents (RFC 9457) that name the cause and the cure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

REASONS = {
    200: "OK", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 409: "Conflict", 413: "Content Too Large", 422: "Unprocessable Content",
    426: "Upgrade Required", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
    503: "Service Unavailable",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer; without a body it is 204."""

    status: int = 204
    body: bytes = b""
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    more: tuple[Path | bytes, ...] = ()
    """What follows the body: texts, and files that are sent from the disk."""

    @classmethod
    def json(cls, value: object, *, status: int = 200) -> Answer:
        """Return ``value`` as a JSON answer."""
        return cls(status=status, body=json.dumps(value, ensure_ascii=False).encode())


class RefusedRequestError(Exception):
    """A request that gets a problem document (RFC 9457) instead of what it asked for.

    Attributes:
        status: The HTTP status.
        code: One of ``leasehold_protocol.v1.problems.ProblemCode``.
        closes: The connection can't go on: where the next request begins is unknown.
    """

    def __init__(self, status: int, code: str, detail: str, *, closes: bool = False) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.closes = closes

    def answer(self) -> Answer:
        """Return the problem document."""
        title = REASONS.get(self.status, "Error")
        problem = {
            "type": "about:blank", "title": title, "status": self.status, "code": self.code, "detail": self.detail,
        }  # fmt: skip
        return Answer(status=self.status, body=json.dumps(problem).encode(), media_type="application/problem+json")


def malformed(detail: str) -> RefusedRequestError:
    """Return the refusal of what is no HTTP/1.1."""
    return RefusedRequestError(400, "invalid_request", detail, closes=True)


def too_large(limit: int) -> RefusedRequestError:
    """Return the refusal of a body over ``limit`` bytes."""
    shown = f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit} bytes"
    cure = "split it, or push it as a file (PUT /v1/files)"
    return RefusedRequestError(413, "body_too_large", f"the body is larger than {shown}: {cure}", closes=True)
