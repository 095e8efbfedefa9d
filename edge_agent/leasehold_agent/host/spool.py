"""Everything the host appends: the log, metrics and XComs; made durable in groups.

A file is written at once (a dead host loses nothing) and fsynced at most 0.2 s later (a dead machine loses that much).
The agent is told what grew after it is durable, so that it never delivers what a power cut could take back.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from leasehold_agent import fault_points
from leasehold_agent.host.appending import sync, sync_directory
from leasehold_agent.host.directory import AttemptDirectory
from leasehold_agent.host.kept_state import KeptState
from leasehold_agent.host.logfile import LogFile
from leasehold_agent.host.numbered import DiskFullError, NumberedLines
from leasehold_agent.host.reserve import NextFile

GROUP_S = 0.2
"""The longest time between writing and fsync while the task runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How far the files reach: bytes of the log, the last numbers of metrics, XComs and writes to the task's state."""

    log: int = 0
    metric_seq: int = 0
    xcom_seq: int = 0
    state_seq: int = 0


class Spool:
    """What one attempt has to tell, on disk.

    Attributes:
        log: The log.
        metrics: The metric points.
        state: What the task keeps for later attempts.
        xcom_dir: Where the texts of XComs are.
        durable: How much of it a power cut can't take back.
    """

    def __init__(self, directory: AttemptDirectory, *, log_limit: int | None, grew: Callable[[], None]) -> None:
        self.xcom_dir = directory.xcoms
        self.log = LogFile(directory.log, limit=log_limit)
        self.metrics = NumberedLines(directory.metrics)
        self.state = KeptState(directory.state)
        self._index = NumberedLines(directory.xcoms / "index.ndjson")
        self.durable = Extent()
        self._next = self._next_file()
        self._index.reserve()
        self._files: dict[str, str] = {}
        self._unsynced: list[int] = []
        self._changed = False
        self._grew = grew
        self._group: asyncio.TimerHandle | None = None
        self._syncing: asyncio.Future[None] | None = None

    @property
    def written(self) -> Extent:
        """How much was written so far."""
        return Extent(
            log=self.log.size, metric_seq=self.metrics.seq, xcom_seq=self._index.seq, state_seq=self.state.lines.seq
        )

    def write_xcom(
        self, key: str, text: bytes, files: Mapping[str, int] | None = None, length: int | None = None
    ) -> None:
        """Keep the JSON text of one XCom; the last one of a key counts.

        Args:
            key: The XCom's key.
            text: Its value, as JSON.
            files: SHA-256 → size of the files that it names.
            length: How many items its list or dictionary has.

        Raises:
            DiskFullError: if the disk doesn't take it.
        """
        if (fd := self._next.write(text)) is None:
            raise DiskFullError
        name = self._next.path.name
        entry: dict[str, object] = {"key": key, "file": name, "size": len(text), "sha256": sha256(text).hexdigest()}
        if length is not None:
            entry["length"] = length
        if files:
            entry["files"] = [{"sha256": each, "size": size} for each, size in files.items()]
        try:
            fault_points.reach("host.xcom.before-index")
            self._index.append([entry])
        except DiskFullError:
            os.close(fd)
            raise
        self._next = self._next_file()
        self._index.reserve()
        self._unsynced.append(fd)
        self._files[key] = name
        self.touch()

    def take_xcom(self, key: str, value: Path, *, size: int, sha256: str, length: int | None = None) -> None:
        """Keep an XCom whose JSON text is durable in a file of the attempt directory, which becomes ours.

        Raises:
            DiskFullError: if the disk doesn't take it.
        """
        path = self._next.path
        self._next.give_back()
        try:
            value.replace(path)
        except OSError:
            raise DiskFullError from None
        fault_points.reach("host.xcom.before-index")
        entry: dict[str, object] = {"key": key, "file": path.name, "size": size, "sha256": sha256}
        self._index.append([entry if length is None else {**entry, "length": length}])
        self._next = self._next_file()
        self._index.reserve()
        self._files[key] = path.name
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
        self._next.give_back()
        fault_points.reach("host.spool.before-last-fsync")
        sync(self._open_files())
        self._close_written()
        if self._index.seq:
            sync_directory(self.xcom_dir)
        self.durable = self.written

    def close(self) -> None:
        """Give the file descriptors back."""
        self._next.give_back()
        self._close_written()
        for fd in (self.log.fd, self.metrics.fd, self._index.fd, self.state.lines.fd):
            os.close(fd)

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
        fds = [self.log.fd, self.metrics.fd, self._index.fd, self.state.lines.fd, *files]
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

    def _next_file(self) -> NextFile:
        return NextFile(self.xcom_dir / f"{self._index.seq + 1}.json")

    def _open_files(self) -> list[int]:
        used = [(lines.fd, lines.seq) for lines in (self.metrics, self._index, self.state.lines)]
        return [*(fd for fd, size in [(self.log.fd, self.log.size), *used] if size), *self._unsynced]

    def _close_written(self) -> None:
        for fd in self._unsynced:
            os.close(fd)
        self._unsynced = []
