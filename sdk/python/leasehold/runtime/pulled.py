"""The values of a mapped task as a sequence that reads what it is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from leasehold.runtime.values import decode
from leasehold.runtime.wire import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta
    from typing import Any

    from leasehold.runtime.host import Host

PAGE = 64
"""Values that are read in one request."""


class Pulled(Sequence["Any"]):
    """Values of a task's instances by their position, in the order of the map index. One page is kept."""

    def __init__(
        self,
        host: Host,
        task: str,
        key: str,
        *,
        run: str | None,
        wait: float | str | timedelta | None,
        decoding: Callable[[object], object] = decode,
        given: list[object] | None = None,
    ) -> None:
        self._decoding = decoding
        self._host = host
        self._task = task
        self._key = key
        self._run = run
        self._wait = wait
        self._count: int | None = None
        self._page: tuple[int, list[Any]] = (0, [])
        if given is not None:  # all of them came with the lease
            self._count, self._page = len(given), (0, [decoding(value) for value in given])

    def __len__(self) -> int:
        """Return how many there are; asked for once."""
        if self._count is None:
            self._read(0, 0)
        return self._count or 0

    def __getitem__(self, index: Any) -> Any:
        """Return one value, or a list of those of a slice.

        Raises:
            IndexError: if there are not so many.
        """
        if isinstance(index, slice):
            return self._slice(range(*index.indices(len(self))))
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(f"task {self._task!r} has {len(self)} values of {self._key!r}, and none at {index}")
        return self._at(at)

    def __eq__(self, other: object) -> bool:
        """Compare with any sequence, value by value."""
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # like a list, it equals what may change

    def __repr__(self) -> str:
        return f"<{len(self)} values of {self._task}/{self._key}>"

    def __iter__(self) -> Iterator[Any]:
        """Yield all values, a page at a time."""
        for at in range(len(self)):
            yield self._at(at)

    def _slice(self, wanted: range) -> list[Any]:
        return [self._at(at) for at in wanted]

    def _at(self, at: int) -> Any:
        start, values = self._page
        if not start <= at < start + len(values):
            # Walking backwards brings a page that ends here, any other way one that begins here.
            start = max(0, at - PAGE + 1) if at == start - 1 else at
            self._page = (start, self._read(start, PAGE))
        value = self._page[1][at - self._page[0]]
        return value() if callable(value) else value

    def _read(self, offset: int, limit: int) -> list[Any]:
        query = f"task={quote(self._task)}&offset={offset}&limit={limit}"
        query += f"&run={quote(self._run)}" if self._run is not None else ""
        answer: Any = self._host.read(f"/v1/mapped-xcoms/{quote(self._key)}?{query}", self._wait)
        self._count = int(answer["count"])
        return [self._value(item) for item in answer["items"]]

    def _value(self, item: dict[str, Any]) -> Any:
        if item["inline"]:
            return self._decoding(item["value"])
        query = f"task={quote(self._task)}&map_index={item['map_index']}&run={quote(item['run'])}"

        def read() -> object:  # a long one by itself, when it is wanted
            return self._decoding(self._host.read(f"/v1/xcoms/{quote(self._key)}?{query}", self._wait).get("value"))

        return read
