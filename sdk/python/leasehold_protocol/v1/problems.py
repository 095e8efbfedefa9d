"""Errors: RFC 9457 problem documents with a ``code`` from one closed set."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from leasehold_protocol.v1.message import Message

PROBLEM_MEDIA_TYPE = "application/problem+json"


class ProblemCode(StrEnum):
    """What went wrong, for programs. Clients decide by this and by the status, never by the text."""

    INVALID_REQUEST = "invalid_request"  # 422: right JSON, wrong shape or value
    NOT_JSON = "not_json"  # 400
    BODY_TOO_LARGE = "body_too_large"  # 413
    UNAUTHENTICATED = "unauthenticated"  # 401: no, unknown or malformed credential
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - 401: get a new token, go on
    DPOP_REQUIRED = "dpop_required"  # 401: this route takes a proof of possession (RFC 9449)
    DPOP_INVALID = "dpop_invalid"  # 401: the proof is for another request, key or time
    DPOP_REPLAYED = "dpop_replayed"  # 401: the proof was used before
    USE_DPOP_NONCE = "use_dpop_nonce"  # 401: make the proof again with the nonce in DPoP-Nonce (RFC 9449, 9)
    AGENT_LOCKED = "agent_locked"  # 403: an admin, or clone detection, locked this agent
    FORBIDDEN = "forbidden"  # 403: known caller, but not this caller's to do
    NOT_DECLARED = "not_declared"  # 403: the task did not declare what it asks for
    NOT_GRANTED = "not_granted"  # 403: the site was not granted what the task asks for
    REFUSED_BY_POLICY = "refused_by_policy"  # 403: the policy of the task's site does not allow it
    NOT_FOUND = "not_found"  # 404
    METHOD_NOT_ALLOWED = "method_not_allowed"  # 405
    CONFLICT = "conflict"  # 409: the object's state does not allow this
    ALREADY_EXISTS = "already_exists"  # 409
    LEASE_LOST = "lease_lost"  # 409: stale epoch; stop the attempt
    OFFSET_MISMATCH = "offset_mismatch"  # 409: send from `offset` instead
    TOKEN_USED = "token_used"  # noqa: S105 - 400, RFC 7591 style answers say it too
    VERSION_UNSUPPORTED = "version_unsupported"  # 426: outside the published window
    QUEUE_FULL = "queue_full"  # 429
    TOO_MANY_REQUESTS = "too_many_requests"  # 429
    INTERNAL = "internal"  # 500
    UNAVAILABLE = "unavailable"  # 503: later


class FieldError(Message):
    """One field of a request that does not fit."""

    field: str
    message: str


class Problem(Message):
    """An RFC 9457 problem document."""

    type: str = "about:blank"
    title: str
    status: int
    code: ProblemCode
    detail: str | None = None
    """What happened, for a person: the cause and the cure."""
    errors: list[FieldError] = Field(default_factory=list[FieldError])
    offset: int | None = None
    """With ``offset_mismatch``: where the receiver stands."""
