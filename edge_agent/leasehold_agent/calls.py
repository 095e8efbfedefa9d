"""A request and its answer, as plain data, and what an answer means."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from leasehold_agent.errors import (
    LeaseLostError,
    LockedError,
    RefusedError,
    TokenRejectedError,
    Trouble,
    UnavailableError,
)

_TOKEN_STATUS = 401
_NO_CONTENT = 204
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to the API."""

    method: str
    url: str
    """Absolute, or a path under the API's address."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    content: Callable[[], AsyncIterator[bytes]] | None = None
    """In place of a body: makes the pieces of one, anew for each time that it is sent. Its length is in the headers."""
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """The status is 2xx."""
        return 200 <= self.status < 300


def check(answer: Answer) -> Answer:
    """Return ``answer`` when it is a success.

    Raises:
        LinkError: of the kind that says what to do (RFC 9457 codes and the status decide, never the text).
    """
    if answer.is_success:
        return answer
    problem = _problem(answer)
    if problem is None:
        raise _unspoken(answer)
    code, detail = str(problem.get("code") or problem.get("error")), str(problem.get("detail") or "")
    if answer.status in (408, 425, 429) or answer.status >= 500:
        trouble = Trouble.BUSY if answer.status < 500 else Trouble.SERVER_ERROR
        raise UnavailableError(trouble, detail or code, retry_after_s=retry_after(answer))
    if code == "agent_locked":
        raise LockedError(detail or str(problem.get("error_description") or "no reason was given"))
    if answer.status == _TOKEN_STATUS:
        raise TokenRejectedError(detail or code)
    if code == "lease_lost":
        raise LeaseLostError(detail)
    offset = problem.get("offset")
    detail = detail or str(problem.get("error_description") or problem.get("title") or "")
    raise RefusedError(answer.status, code, detail, offset=offset if isinstance(offset, int) else None)


def wants_nonce(answer: Answer) -> bool:
    """Say whether the API asks for the proof to be made again with the nonce in its answer (RFC 9449, 8 and 9)."""
    if answer.status not in (400, _TOKEN_STATUS) or "dpop-nonce" not in answer.headers:
        return False
    problem = _problem(answer) or {}
    return "use_dpop_nonce" in (problem.get("code"), problem.get("error"))


def decoded(model: type[M], answer: Answer) -> M:
    """Return an answer's message.

    Raises:
        UnavailableError: it is none, so something other than the API answered.
    """
    try:
        return model.model_validate_json(answer.body)
    except ValidationError as error:
        kind = answer.headers.get("content-type", "no content type")
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise UnavailableError(Trouble.NOT_THE_API, f"status {answer.status}, {kind}, {where or 'not JSON'}") from None


def done(answer: Answer) -> None:
    """Make sure that it was the API that took a request whose answer has no content.

    Raises:
        UnavailableError: it was not: a login page's 200 would pass for an acknowledgement, and what was sent be lost.
    """
    if answer.status != _NO_CONTENT:
        kind = answer.headers.get("content-type", "no content type")
        raise UnavailableError(Trouble.NOT_THE_API, f"status {answer.status} instead of {_NO_CONTENT}, {kind}")


def retry_after(answer: Answer) -> float | None:
    """Return the seconds that the API asked to wait, if it did (a date instead of seconds is not used by it)."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _problem(answer: Answer) -> dict[str, object] | None:
    """Return the problem document (RFC 9457) or OAuth error (RFC 6749, 5.2); none when it is neither."""
    if "json" not in answer.headers.get("content-type", ""):
        return None
    try:
        problem = json.loads(answer.body)
    except ValueError:
        return None
    if not isinstance(problem, dict) or not ("code" in problem or "error" in problem):
        return None
    return problem


def _unspoken(answer: Answer) -> UnavailableError:
    """Return the error for an answer that no Leasehold API gave: a proxy, a login page, another program."""
    what = f"status {answer.status}, {answer.headers.get('content-type', 'no content type')}"
    if location := answer.headers.get("location"):
        what += f", redirects to {location}"
    trouble = Trouble.SERVER_ERROR if answer.status >= 500 else Trouble.NOT_THE_API
    return UnavailableError(trouble, what, retry_after_s=retry_after(answer))
