"""Bodies of requests: never larger than allowed, and decompressed within the same bound."""

from __future__ import annotations

import re
import zlib

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BLOBS = re.compile(r"^/v1/(teams/[^/]+/bundles|attempts/[^/]+/uploads)/[0-9a-f]+$")
"""Routes that stream to the blob store, which has its own bound."""


class BoundedBodies:
    """ASGI middleware: refuses bodies over ``most_bytes`` with 413 and gunzips those that are compressed."""

    def __init__(self, app: ASGIApp, *, most_bytes: int) -> None:
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or _BLOBS.match(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        encoding = headers.get(b"content-encoding", b"identity").lower()
        body = _Body(
            receive, self._most_bytes, gzip=encoding == b"gzip", unknown=encoding not in {b"gzip", b"identity"}
        )
        await self._app(scope, body.receive, send)


class _Body:
    def __init__(self, receive: Receive, most_bytes: int, *, gzip: bool, unknown: bool) -> None:
        self._receive = receive
        self._most = most_bytes
        self._left = most_bytes
        self._inflate = zlib.decompressobj(wbits=31) if gzip else None
        self._unknown = unknown
        self._began = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request":
            return message
        chunk: bytes = message.get("body", b"")
        if chunk and self._unknown:
            raise HTTPException(415, "Content-Encoding is not known here; send gzip, or none")
        if self._inflate is not None:
            chunk = self._gunzip(chunk, last=not message.get("more_body", False))
        self._left -= len(chunk)
        if self._left < 0:
            raise HTTPException(413, f"at most {self._most} bytes are taken here; send less at a time")
        return {**message, "body": chunk}

    def _gunzip(self, chunk: bytes, *, last: bool) -> bytes:
        inflate = self._inflate
        if inflate is None:
            return chunk
        try:
            # One byte more than is left is asked for: a bomb is noticed without being unpacked.
            plain = inflate.decompress(chunk, self._left + 1)
        except zlib.error as error:
            raise HTTPException(400, f"the gzip body is broken: {error}") from None
        self._began = self._began or bool(chunk)
        if last and self._began and not inflate.eof and not inflate.unconsumed_tail:
            raise HTTPException(400, "the gzip body ends too early; send it again")
        return plain
