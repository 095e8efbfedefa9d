"""Everything the host appends: the log, metrics and XComs; made durable in groups.

A file is written at once (a dead host loses nothing) and fsynced at most 0.2 s later (a dead machine loses that much).
The agent is told what grew after it is durable, so that it never delivers what a power cut could take back.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from leasehold_agent import fault_points
from leasehold_agent.host.appending import append_whole, sync, sync_directory
from leasehold_agent.host.directory import AttemptDirectory
from leasehold_agent.host.logfile import LogFile

GROUP_S = 0.2
"""The longest time between writing and fsync while the task runs."""


class DiskFullError(Exception):
    """The disk did not take what a task wrote."""


class NumberedLines:
    """A file of JSON lines, numbered from 1 without gaps.

    Attributes:
        seq: The last number.
    """

    def __init__(self, path: os.PathLike[str]) -> None:
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.seq = 0
        self._size = 0

    def append(self, entries: list[dict[str, object]]) -> None:
        """Append all or none.

        Raises:
            DiskFullError: if the disk doesn't take them.
        """
        numbered = ({"seq": self.seq + n, **entry} for n, entry in enumerate(entries, 1))
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in numbered).encode()
        if not append_whole(self.fd, text, size=self._size):
            raise DiskFullError
        self._size += len(text)
        self.seq += len(entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How far the files reach: bytes of the log, the last numbers of metrics and XComs."""

    log: int = 0
    metric_seq: int = 0
    xcom_seq: int = 0


class Spool:
    """What one attempt has to tell, on disk.

    Attributes:
        log: The log.
        metrics: The metric points.
        xcom_dir: Where the texts of XComs are.
        durable: How much of it a power cut can't take back.
    """

    def __init__(self, directory: AttemptDirectory, *, log_limit: int | None, grew: Callable[[], None]) -> None:
        self.xcom_dir = directory.xcoms
        self.log = LogFile(directory.log, limit=log_limit)
        self.metrics = NumberedLines(directory.metrics)
        self._index = NumberedLines(directory.xcoms / "index.ndjson")
        self.durable = Extent()
        self._files: dict[str, str] = {}
        self._unsynced: list[int] = []
        self._changed = False
        self._grew = grew
        self._group: asyncio.TimerHandle | None = None
        self._syncing: asyncio.Future[None] | None = None

    @property
    def written(self) -> Extent:
        """How much was written so far."""
        return Extent(log=self.log.size, metric_seq=self.metrics.seq, xcom_seq=self._index.seq)

    def write_xcom(self, key: str, text: bytes, files: Mapping[str, int] | None = None) -> None:
        """Keep the JSON text of one XCom; the last one of a key counts.

        Args:
            key: The XCom's key.
            text: Its value, as JSON.
            files: SHA-256 → size of the files that it names.

        Raises:
            DiskFullError: if the disk doesn't take it.
        """
        name = f"{self._index.seq + 1}.json"
        try:
            fd = os.open(self.xcom_dir / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except OSError:
            raise DiskFullError from None
        entry: dict[str, object] = {"key": key, "file": name, "size": len(text), "sha256": sha256(text).hexdigest()}
        if files:
            entry["files"] = [{"sha256": each, "size": size} for each, size in files.items()]
        try:
            if not append_whole(fd, text, size=0):
                raise DiskFullError
            fault_points.reach("host.xcom.before-index")
            self._index.append([entry])
        except DiskFullError:
            os.close(fd)
            raise
        self._unsynced.append(fd)
        self._files[key] = name
        self.touch()

    def take_xcom(self, key: str, value: Path, *, size: int, sha256: str) -> None:
        """Keep an XCom whose JSON text is durable in a file of the attempt directory, which becomes ours.

        Raises:
            DiskFullError: if the disk doesn't take it.
        """
        name = f"{self._index.seq + 1}.json"
        try:
            value.replace(self.xcom_dir / name)
        except OSError:
            raise DiskFullError from None
        fault_points.reach("host.xcom.before-index")
        self._index.append([{"key": key, "file": name, "size": size, "sha256": sha256}])
        self._files[key] = name
        self.touch()

    def delete_xcom(self, key: str) -> bool:
        """Take back what was written under a key; False when there is nothing.

        Raises:
            DiskFullError: if the disk doesn't take it.
        """
        if key not in self._files:
            return False
        self._index.append([{"key": key, "deleted": True}])
        del self._files[key]
        self.touch()
        return True

    def find_xcom(self, key: str) -> Path | None:
        """Return the file with the JSON text of the last XCom of ``key``; None when there is none."""
        name = self._files.get(key)
        return None if name is None else self.xcom_dir / name

    def read_xcom(self, key: str) -> bytes | None:
        """Return the JSON text of the last XCom of ``key``; None when there is none."""
        path = self.find_xcom(key)
        return None if path is None else path.read_bytes()

    def touch(self) -> None:
        """Something changed: it becomes durable, and the agent hears of it, within ``GROUP_S``."""
        self._changed = True
        if self._group is None and self._syncing is None:
            self._group = asyncio.get_running_loop().call_later(GROUP_S, self._sync_group)

    def finish(self) -> None:
        """Complete the log and make everything durable; blocks until it is."""
        if self._group is not None:
            self._group.cancel()
        self.log.finish()
        fault_points.reach("host.spool.before-last-fsync")
        sync(self._open_files())
        self._close_written()
        sync_directory(self.xcom_dir)
        self.durable = self.written

    async def settled(self) -> None:
        """Wait for a group that is being made durable in the background."""
        if self._syncing is not None:
            await asyncio.wait([self._syncing])

    def _sync_group(self) -> None:
        """Sync in a thread: a slow disk must not keep the host from its deadlines."""
        self._group = None
        self._changed = False
        files, self._unsynced = self._unsynced, []
        reach = self.written  # what is written while the disk works belongs to the next group
        fds = [self.log.fd, self.metrics.fd, self._index.fd, *files]
        self._syncing = asyncio.get_running_loop().run_in_executor(None, sync, fds)
        self._syncing.add_done_callback(lambda _: self._synced(files, reach))

    def _synced(self, files: list[int], reach: Extent) -> None:
        for fd in files:
            os.close(fd)
        self._syncing = None
        fault_points.reach("host.group.durable.before-telling")
        self.durable = reach
        self._grew()
        if self._changed:
            self.touch()

    def _open_files(self) -> list[int]:
        used = [(self.log.fd, self.log.size), (self.metrics.fd, self.metrics.seq), (self._index.fd, self._index.seq)]
        return [*(fd for fd, size in used if size), *self._unsynced]

    def _close_written(self) -> None:
        for fd in self._unsynced:
            os.close(fd)
        self._unsynced = []
