"""Large values and files on their way to the API: in parts, from where the last one ended, whatever came between."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Protocol

from leasehold_agent.errors import RefusedError, Trouble, UnavailableError
from leasehold_agent.fault_points import reach
from leasehold_agent.pieces import Piece
from leasehold_protocol.v1.context import UploadAnswer, UploadPart, UploadRequest

_PART_BYTES = 8 * 1024 * 1024
_MOST_MISMATCHES = 5
_READ_BYTES = 1024 * 1024


class UploadApi(Protocol):
    """What is needed of ``link.api.Api``."""

    async def begin_upload(self, attempt: str, request: UploadRequest) -> UploadAnswer: ...
    async def upload_part(self, url: str, piece: Piece, *, whole: int) -> UploadPart: ...
    async def upload_whole(self, url: str, piece: Piece) -> None: ...


class Uploads:
    """Brings files of the disk to the API. At most so many parts are under way at once: the line is for leases, too."""

    def __init__(self, api: UploadApi, line: asyncio.Semaphore) -> None:
        self._api = api
        self._line = line

    async def bring(self, attempt: str, path: Path, *, sha256: str, size: int) -> None:
        """Bring a file there; nothing is sent of what is there already.

        After an error it goes on, when it is called again, from where the API stands.

        Raises:
            RefusedError: the API will never take it, or the file is not what it was.
            LinkError: of the kind that says what to do.
        """
        for _ in range(_MOST_MISMATCHES):
            try:
                await self._send(attempt, path, sha256=sha256, size=size)
            except RefusedError as error:
                if error.code not in ("offset_mismatch", "invalid_request"):
                    raise
                # Either the API has it from elsewhere by now, or what it has is broken: it says where to begin.
                await self._make_sure(path, sha256, error)
            else:
                return
        raise UnavailableError(Trouble.BROKEN, f"{sha256} does not arrive as it was sent")

    async def _send(self, attempt: str, path: Path, *, sha256: str, size: int) -> None:
        answer = await self._api.begin_upload(attempt, UploadRequest(sha256=sha256, size=size))
        if answer.url is None:
            return
        if answer.offset is None:
            async with self._line:
                await self._api.upload_whole(answer.url, Piece(path=path, start=0, length=size))
            return
        at, complete = answer.offset, False
        while not complete:
            piece = Piece(path=path, start=at, length=max(0, min(answer.part_bytes or _PART_BYTES, size - at)))
            async with self._line:  # in turn: a huge file holds up no small one
                stands = await self._api.upload_part(answer.url, piece, whole=size)
            if not stands.complete and stands.offset <= at:
                raise UnavailableError(Trouble.SERVER_ERROR, "it took nothing of an upload's part")
            at, complete = stands.offset, stands.complete
            reach("agent.part.acknowledged")

    async def _make_sure(self, path: Path, sha256: str, error: RefusedError) -> None:
        try:
            found = await asyncio.to_thread(_sha256, path)
        except FileNotFoundError:
            found = "gone"
        if found != sha256:
            detail = f"the file {sha256} was changed or removed on the site's disk before it was delivered"
            raise RefusedError(error.status, error.code, detail) from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            digest.update(data)
    return digest.hexdigest()
