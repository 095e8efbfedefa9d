"""Errors as callers of the API meet them: each has a code, a status and a text that names cause and cure."""

from __future__ import annotations

from leasehold_protocol.v1.problems import FieldError, Problem, ProblemCode

_STATUS_AND_TITLE: dict[ProblemCode, tuple[int, str]] = {
    ProblemCode.INVALID_REQUEST: (422, "The request does not fit"),
    ProblemCode.NOT_JSON: (400, "The body is not JSON"),
    ProblemCode.BODY_TOO_LARGE: (413, "The body is too large"),
    ProblemCode.UNAUTHENTICATED: (401, "Not authenticated"),
    ProblemCode.TOKEN_EXPIRED: (401, "The token has expired"),
    ProblemCode.DPOP_REQUIRED: (401, "A proof of possession is required"),
    ProblemCode.DPOP_INVALID: (401, "The proof of possession is not valid"),
    ProblemCode.DPOP_REPLAYED: (401, "The proof of possession was used before"),
    ProblemCode.USE_DPOP_NONCE: (401, "The proof of possession needs a nonce of this server"),
    ProblemCode.AGENT_LOCKED: (403, "The agent is locked"),
    ProblemCode.FORBIDDEN: (403, "Not allowed"),
    ProblemCode.NOT_DECLARED: (403, "The task did not declare this"),
    ProblemCode.NOT_GRANTED: (403, "The site was not granted this"),
    ProblemCode.NOT_FOUND: (404, "Not found"),
    ProblemCode.METHOD_NOT_ALLOWED: (405, "Method not allowed"),
    ProblemCode.CONFLICT: (409, "Not in this state"),
    ProblemCode.ALREADY_EXISTS: (409, "Already exists"),
    ProblemCode.LEASE_LOST: (409, "The lease is lost"),
    ProblemCode.OFFSET_MISMATCH: (409, "Continue from another offset"),
    ProblemCode.TOKEN_USED: (400, "The token was used before"),
    ProblemCode.VERSION_UNSUPPORTED: (426, "Version not supported"),
    ProblemCode.QUEUE_FULL: (429, "The queue is full"),
    ProblemCode.TOO_MANY_REQUESTS: (429, "Too many requests"),
    ProblemCode.INTERNAL: (500, "Internal error"),
    ProblemCode.UNAVAILABLE: (503, "Unavailable"),
}


class ApiError(Exception):
    """A request can't be answered as asked."""

    code: ProblemCode = ProblemCode.INTERNAL

    def __init__(
        self,
        detail: str,
        *,
        code: ProblemCode | None = None,
        errors: list[FieldError] | None = None,
        offset: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.errors = errors or []
        self.offset = offset
        self.headers = headers or {}

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _STATUS_AND_TITLE[self.code][0]

    def problem(self) -> Problem:
        """Return the RFC 9457 document."""
        status, title = _STATUS_AND_TITLE[self.code]
        return Problem(
            title=title, status=status, code=self.code, detail=self.detail, errors=self.errors, offset=self.offset
        )


class InvalidRequestError(ApiError):
    """The caller must change the request."""

    code = ProblemCode.INVALID_REQUEST


class UnauthenticatedError(ApiError):
    """The caller must show a (new) credential."""

    code = ProblemCode.UNAUTHENTICATED


class ForbiddenError(ApiError):
    """The caller is known, and may not."""

    code = ProblemCode.FORBIDDEN


class NotFoundError(ApiError):
    """There is no such thing, or not for this caller."""

    code = ProblemCode.NOT_FOUND


class ConflictError(ApiError):
    """The thing is not in a state that allows it."""

    code = ProblemCode.CONFLICT


class LeaseLostError(ApiError):
    """The attempt must stop: its epoch is no longer the newest, or its lease is over."""

    code = ProblemCode.LEASE_LOST


class UnavailableError(ApiError):
    """Later."""

    code = ProblemCode.UNAVAILABLE
