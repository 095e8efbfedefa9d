"""HTTP/1.1 (RFC 9112) as far as a task needs it: requests with bounded bodies in, answers with a length out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest
from urllib.parse import parse_qsl, unquote, urlsplit

from leasehold.runtime.rules.limits import LARGE_BODY, SMALL_BODY, too_large
from leasehold.runtime.rules.refusals import REASONS, RefusedRequestError
from leasehold_agent.host.http_answers import Answer, malformed, refusal
from leasehold_agent.host.http_bodies import Body

__all__ = [
    "LARGE_BODY", "SMALL_BODY", "Answer", "RefusedRequestError", "Request", "authorise", "read_request", "refusal",
    "render",
]  # fmt: skip

HEAD_LIMIT = 32 * 1024
"""Bytes of request line and headers."""

STREAMED = ("/v1/xcoms/", "/v1/result", "/v1/files")
"""Where what is PUT may be long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    """Empty where ``stream`` is to be read."""
    stream: Body
    keep_alive: bool


async def read_request(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    secret: str | None = None,
    begun: Callable[[], object] = lambda: None,
) -> Request | None:
    """Read one request; None when the client has closed the connection. ``begun`` is called once its head is there.

    Raises:
        RefusedRequestError: if it is malformed, too large, or not authorised.
    """
    head = await _read_head(reader)
    if head is None:
        return None
    begun()
    method, target, version = _request_line(head[0])
    headers = _headers(head[1:])
    # Before the body is read: who may not ask must not be able to fill the memory either.
    if secret is not None:
        authorise(headers, secret)
    split = urlsplit(target)
    path = split.path
    length = _body_length(headers)

    def go_on() -> None:
        if headers.get("expect", "").lower() == "100-continue" and length != 0:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    stream = Body(reader, length, begin=go_on)
    # What may be long is read by whoever knows how much of it may be.
    is_long = method == "PUT" and path.startswith(STREAMED)
    if not is_long and length is not None and length > SMALL_BODY:
        raise too_large(SMALL_BODY)
    body = b"" if is_long else await stream.whole(SMALL_BODY)
    connection = headers.get("connection", "").lower()
    return Request(
        method=method,
        path=unquote(path),
        query=dict(parse_qsl(split.query, keep_blank_values=True)),
        headers=headers,
        body=body,
        stream=stream,
        keep_alive="close" not in connection and (version == "HTTP/1.1" or "keep-alive" in connection),
    )


def authorise(headers: dict[str, str], secret: str) -> None:
    """Check the bearer secret.

    Raises:
        RefusedRequestError: 401, if it is not this attempt's.
    """
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not compare_digest(given.strip().encode(), secret.encode()):
        cure = "send it as `Authorization: Bearer $LEASEHOLD_TASK_SECRET`; another attempt's secret opens nothing here"
        raise RefusedRequestError(401, "unauthenticated", f"the task secret is missing or wrong: {cure}", closes=True)


def render(answer: Answer, *, keep_alive: bool) -> bytes:
    """Return an answer as bytes, without what follows its body from the disk."""
    lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Status')}"]
    if answer.status != 204:
        lines += [f"Content-Type: {answer.media_type}", f"Content-Length: {_length(answer)}"]
    if answer.status == 401:
        lines.append("WWW-Authenticate: Bearer")
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    lines.append("Connection: " + ("keep-alive" if keep_alive else "close"))
    return "\r\n".join([*lines, "", ""]).encode() + answer.body


def _length(answer: Answer) -> int:
    following = (len(part) if isinstance(part, bytes) else part.stat().st_size for part in answer.more)
    return len(answer.body) + sum(following)


async def _read_head(reader: asyncio.StreamReader) -> list[str] | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        head = bytes(HEAD_LIMIT + 1)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    if len(head) > HEAD_LIMIT:
        detail = f"the headers are longer than {HEAD_LIMIT} bytes"
        raise RefusedRequestError(431, "invalid_request", detail, closes=True)
    return head.decode("latin-1").strip("\r\n").split("\r\n")


def _request_line(line: str) -> tuple[str, str, str]:
    match line.split(" "):
        case [method, target, ("HTTP/1.1" | "HTTP/1.0") as version] if method.isalpha():
            return method, target, version
        case _:
            raise malformed(f"{line[:80]!r} is no HTTP/1.1 request line")


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise malformed(f"{line[:80]!r} is no header line")
        name, value = name.lower(), value.strip()
        if name == "content-length" and headers.get(name, value) != value:
            raise malformed("there are two different Content-Length headers")
        headers[name] = value
    return headers


def _body_length(headers: dict[str, str]) -> int | None:
    """Return the length of the body; None when it comes in chunks."""
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if coding.lower() != "chunked" or length is not None:
            raise malformed("Transfer-Encoding must be `chunked`, without a Content-Length")
        return None
    if length is not None and not (length.isascii() and length.isdigit() and len(length) < 16):
        raise malformed(f"Content-Length {length[:40]!r} is no number")
    return int(length or 0)
