"""``files/`` and ``fetched/`` of the attempt directory: files that the task pushed, and what was fetched for it."""

from __future__ import annotations

import itertools
import json
import mmap
import os
import re
from collections.abc import Iterable
from pathlib import Path

from leasehold_agent.host.appending import sync_directory
from leasehold_agent.host.checks import invalid
from leasehold_agent.host.http_bodies import Body
from leasehold_agent.host.received import receive

MOST_FILES = 10_000
"""Files that one value may name."""
_NAMED = re.compile(rb'"sha256" ?: ?"([0-9a-f]{64})"')
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Files:
    """Files by the SHA-256 of their content.

    Attributes:
        root: The attempt directory.
    """

    def __init__(self, attempt: Path, *, given: Iterable[object] = ()) -> None:
        self.root = attempt
        self._pushed = attempt / "files"
        self._fetched = attempt / "fetched"
        self._numbers = itertools.count(1)
        self._given: set[str] = set()
        for value in given:
            self.give(json.dumps(value).encode())

    async def keep(self, body: Body, *, limit: int) -> tuple[str, int]:
        """Keep what a task pushes, durably; return its SHA-256 and size.

        Raises:
            RefusedRequestError: 413, if it is larger than ``limit``.
            DiskFullError: if the disk doesn't take it.
        """
        self._pushed.mkdir(mode=0o700, exist_ok=True)
        aside = self._pushed / f".new-{next(self._numbers)}"
        size, sha256 = await receive(body, aside, limit=limit)
        aside.replace(self._pushed / sha256)
        sync_directory(self._pushed)
        return sha256, size

    def find(self, sha256: str) -> Path | None:
        """Return where a file is; none when it has to be fetched."""
        return next((path for path in (self._pushed / sha256, self._fetched / sha256) if path.is_file()), None)

    def progress(self, sha256: str) -> int:
        """Return how many bytes of a file that is being fetched are here."""
        try:
            return os.stat(self._fetched / f"{sha256}.part").st_size  # noqa: PTH116 - in one call, without a loop of tries
        except OSError:
            return 0

    def fetched(self, name: str) -> Path:
        """Return where the agent put what it fetched."""
        return self._fetched / Path(name).name

    def give(self, text: bytes | mmap.mmap) -> None:
        """Note the files that a value names which the task is given: it may pass them on."""
        self._given.update(found.decode() for found in _NAMED.findall(text))

    def give_file(self, path: Path) -> None:
        """Note the files that a value in a file names; blocks."""
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            self.give(text)

    def value(self, name: str) -> object:
        """Return the value whose JSON text the agent put there, and note the files that it names."""
        text = self.fetched(name).read_bytes()
        self.give(text)
        return json.loads(text)

    def named_in(self, value: object) -> dict[str, int]:
        """Return the files that a value names, SHA-256 → size.

        Raises:
            RefusedRequestError: 422, if it names one that the task neither pushed nor was given.
        """
        named: dict[str, int] = {}
        for file in _file_tags(value):
            sha256 = file.get("sha256")
            if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
                raise invalid("a value has a file in it without its sha256: push its bytes with PUT /v1/files first")
            path = self.find(sha256)
            if path is None and sha256 not in self._given:
                raise invalid(f"the file {sha256} is not this task's: push its bytes with PUT /v1/files first")
            size = file.get("size")
            known = path.stat().st_size if path is not None else size
            if not isinstance(size, int) or size != known:
                raise invalid(f"the file {sha256} has {known} bytes, not {size!r:.40}")
            named[sha256] = size
        if len(named) > MOST_FILES:
            raise invalid(f"a value may name {MOST_FILES} files, not {len(named)}: put them into an archive")
        return named


def _file_tags(value: object) -> list[dict[str, object]]:
    """Return what the tags ``file`` in a value hold, from outside to inside; a wrapped dictionary has none itself."""
    found: list[dict[str, object]] = []
    waiting: list[object] = [value]
    while waiting:
        match waiting.pop():
            case {"$type": "file", "value": dict(file), **rest} if not rest:
                found.append(file)
            case {"$type": "dict", "value": dict(inner), **rest} if not rest:
                waiting += inner.values()
            case dict(inner):
                waiting += inner.values()
            case list(items):
                waiting += items
            case _:
                pass
    return found
