"""A request that gets a problem document (RFC 9457) instead of what it asked for."""

from __future__ import annotations

REASONS = {
    200: "OK", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 409: "Conflict", 413: "Content Too Large", 422: "Unprocessable Content",
    426: "Upgrade Required", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
    503: "Service Unavailable",
}  # fmt: skip
"""What HTTP calls a status."""


class RefusedRequestError(Exception):
    """A request that is refused.

    Attributes:
        status: The HTTP status.
        code: One of ``leasehold_protocol.v1.problems.ProblemCode``.
        detail: What is wrong and what to do about it, for a person.
        closes: The connection can't go on: where the next request begins is unknown.
    """

    def __init__(self, status: int, code: str, detail: str, *, closes: bool = False) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.closes = closes

    def problem(self) -> dict[str, object]:
        """Return the problem document, as JSON."""
        title = REASONS.get(self.status, "Error")
        return {
            "type": "about:blank", "title": title, "status": self.status, "code": self.code, "detail": self.detail,
        }  # fmt: skip


def invalid(detail: str) -> RefusedRequestError:
    """Return the refusal of a body or parameter of the wrong shape."""
    return RefusedRequestError(422, "invalid_request", detail)
