"""Answers to a task's requests, also those that refuse: problem documents (RFC 9457) with the cause and the cure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from leasehold.runtime.rules.refusals import RefusedRequestError


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


def refusal(problem: RefusedRequestError) -> Answer:
    """Return the answer that a refusal is."""
    body = json.dumps(problem.problem()).encode()
    return Answer(status=problem.status, body=body, media_type="application/problem+json")


def malformed(detail: str) -> RefusedRequestError:
    """Return the refusal of what is no HTTP/1.1."""
    return RefusedRequestError(400, "invalid_request", detail, closes=True)
