"""What every store of logs, blobs and uploads promises."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from leasehold_api.errors import ApiError, InvalidRequestError, NotFoundError
from leasehold_api.objects.blobs import BlobStore
from leasehold_api.objects.logs import LogStore
from leasehold_api.objects.uploads import UploadStore

ATTEMPT = "ti_0001_0.2"
BUNDLE = b"the author's code" * 1000
NAME = hashlib.sha256(BUNDLE).hexdigest()


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    """Return parts as a request's body comes."""
    for part in parts:
        yield part


class LogStoreContract:
    """Implementations give the fixture ``logs``."""

    async def test_what_is_appended_can_be_read_from_any_offset(self, logs: LogStore) -> None:
        await logs.append(ATTEMPT, 0, b"first line\n")
        size = await logs.append(ATTEMPT, 11, b"second line\n")

        assert size == await logs.size(ATTEMPT) == 23
        assert await logs.read(ATTEMPT, 6, 100) == b"line\nsecond line\n"
        assert await logs.read(ATTEMPT, 23, 100) == b""

    async def test_a_part_sent_again_is_kept_once(self, logs: LogStore) -> None:
        await logs.append(ATTEMPT, 0, b"abc")

        size = await logs.append(ATTEMPT, 1, b"bcdef")

        assert size == 6
        assert await logs.read(ATTEMPT, 0, 100) == b"abcdef"

    async def test_a_gap_is_refused_with_the_offset_to_go_on_from(self, logs: LogStore) -> None:
        await logs.append(ATTEMPT, 0, b"abc")

        with pytest.raises(ApiError) as refused:
            await logs.append(ATTEMPT, 4, b"e")

        assert (refused.value.code, refused.value.offset) == ("offset_mismatch", 3)

    async def test_the_same_part_arriving_twice_at_once_is_kept_once(self, logs: LogStore) -> None:
        await asyncio.gather(*(logs.append(ATTEMPT, 0, b"x" * 1000) for _ in range(8)))

        assert await logs.size(ATTEMPT) == 1000

    async def test_an_unknown_log_is_empty(self, logs: LogStore) -> None:
        assert await logs.size(ATTEMPT) == 0
        assert await logs.read(ATTEMPT, 0, 10) == b""
        assert await logs.sha256(ATTEMPT) == hashlib.sha256().hexdigest()

    async def test_a_cleared_log_begins_anew(self, logs: LogStore) -> None:
        await logs.append(ATTEMPT, 0, b"wrong")

        await logs.clear(ATTEMPT)

        assert await logs.append(ATTEMPT, 0, b"right") == 5
        assert await logs.sha256(ATTEMPT) == hashlib.sha256(b"right").hexdigest()


class BlobStoreContract:
    """Implementations give the fixture ``blobs``."""

    async def read(self, blobs: BlobStore) -> bytes:
        return b"".join([chunk async for chunk in blobs.open(NAME)])

    async def test_a_blob_is_read_as_it_was_put(self, blobs: BlobStore) -> None:
        size = await blobs.put(NAME, chunks(BUNDLE[:100], BUNDLE[100:]), most_bytes=len(BUNDLE))

        assert size == len(BUNDLE)
        assert await blobs.has(NAME)
        assert await self.read(blobs) == BUNDLE

    async def test_other_content_under_the_name_is_refused_and_leaves_nothing(self, blobs: BlobStore) -> None:
        with pytest.raises(InvalidRequestError):
            await blobs.put(NAME, chunks(b"something else"), most_bytes=1000)

        assert not await blobs.has(NAME)
        with pytest.raises(NotFoundError):
            await self.read(blobs)

    async def test_too_much_is_refused_while_it_comes(self, blobs: BlobStore) -> None:
        with pytest.raises(ApiError) as refused:
            await blobs.put(NAME, chunks(BUNDLE, BUNDLE), most_bytes=len(BUNDLE))

        assert refused.value.code == "body_too_large"

    async def test_a_broken_upload_leaves_nothing_and_can_be_repeated(self, blobs: BlobStore) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield BUNDLE[:500]
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await blobs.put(NAME, broken(), most_bytes=len(BUNDLE))

        assert not await blobs.has(NAME)
        await blobs.put(NAME, chunks(BUNDLE), most_bytes=len(BUNDLE))
        assert await self.read(blobs) == BUNDLE


class UploadStoreContract:
    """Implementations give the fixtures ``uploads`` and ``blobs`` of one team."""

    async def send(self, uploads: UploadStore, data: bytes, offset: int, *, attempt: str = ATTEMPT) -> tuple[int, bool]:
        return await uploads.append(attempt, NAME, chunks(data), offset=offset, length=len(BUNDLE))

    async def test_parts_become_a_blob_once_they_are_whole(self, uploads: UploadStore, blobs: BlobStore) -> None:
        first = await self.send(uploads, BUNDLE[:5000], 0)
        here, early = await uploads.stands(ATTEMPT, NAME), await blobs.has(NAME)
        last = await self.send(uploads, BUNDLE[5000:], 5000)
        again = await self.send(uploads, b"", len(BUNDLE))

        assert (first, here, early) == ((5000, False), 5000, False)
        assert last == again == (len(BUNDLE), True)
        assert b"".join([chunk async for chunk in blobs.open(NAME, offset=100)]) == BUNDLE[100:]
        assert await blobs.size(NAME) == len(BUNDLE)

    async def test_what_came_of_a_broken_request_is_kept(self, uploads: UploadStore) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield BUNDLE[:500]
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await uploads.append(ATTEMPT, NAME, broken(), offset=0, length=len(BUNDLE))

        assert await uploads.stands(ATTEMPT, NAME) == 500
        assert await self.send(uploads, BUNDLE[500:], 500) == (len(BUNDLE), True)

    async def test_a_gap_is_refused_and_what_is_there_is_skipped(self, uploads: UploadStore) -> None:
        await self.send(uploads, BUNDLE[:10], 0)

        with pytest.raises(ApiError) as refused:
            await self.send(uploads, BUNDLE[11:], 11)

        assert (refused.value.code, refused.value.offset) == ("offset_mismatch", 10)
        assert await self.send(uploads, BUNDLE[5:20], 5) == (20, False)

    async def test_another_hash_is_refused_and_it_begins_anew(self, uploads: UploadStore, blobs: BlobStore) -> None:
        await self.send(uploads, b"!" * 100, 0)

        with pytest.raises(InvalidRequestError):
            await self.send(uploads, BUNDLE[100:], 100)

        assert (await uploads.stands(ATTEMPT, NAME), await blobs.has(NAME)) == (0, False)

    async def test_one_attempt_cannot_spoil_what_another_sends(self, uploads: UploadStore, blobs: BlobStore) -> None:
        await self.send(uploads, b"!" * 100, 0, attempt="ti_0001_1.1")

        assert await self.send(uploads, BUNDLE, 0) == (len(BUNDLE), True)
        assert await blobs.has(NAME)

    async def test_more_than_was_said_is_refused(self, uploads: UploadStore) -> None:
        with pytest.raises(InvalidRequestError):
            await self.send(uploads, BUNDLE + b"!", 0)
