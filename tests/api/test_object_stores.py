"""Logs and blobs in a local directory keep their promises."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from leasehold_api.objects.blobs import BlobStore, DirectoryBlobs
from leasehold_api.objects.logs import DirectoryLogs, LogStore
from leasehold_api.objects.uploads import DirectoryUploads, RunningHashes, UploadStore
from tests.api.contracts.object_stores import NAME, BlobStoreContract, LogStoreContract, UploadStoreContract, chunks


class TestDirectoryLogs(LogStoreContract):
    @pytest.fixture
    def logs(self, tmp_path: Path) -> LogStore:
        return DirectoryLogs(tmp_path)


class TestDirectoryBlobs(BlobStoreContract):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> BlobStore:
        return DirectoryBlobs(tmp_path)

    def test_nothing_half_written_is_left_in_the_directory(self, tmp_path: Path) -> None:
        with pytest.raises(Exception, match="SHA-256"):
            asyncio.run(DirectoryBlobs(tmp_path).put(NAME, chunks(b"wrong"), most_bytes=100))

        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("remembers", [True, False], ids=["one process", "another process each time"])
class TestDirectoryUploads(UploadStoreContract):
    @pytest.fixture
    def uploads(self, tmp_path: Path, remembers: bool, monkeypatch: pytest.MonkeyPatch) -> UploadStore:
        if not remembers:
            monkeypatch.setattr(RunningHashes, "extend", lambda *_: None)
        return DirectoryUploads(tmp_path, RunningHashes())

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> BlobStore:
        return DirectoryBlobs(tmp_path)
