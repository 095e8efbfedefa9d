"""The attempt host, as a task sees it: one call per thing to ask or tell, problems turned into errors.

Without ``LEASEHOLD_TASK_URL`` there is no host: the script is run by hand, and ``leasehold.runtime.outside`` stands in.
In a test a host in memory does (``leasehold.testing``).
"""

from __future__ import annotations

import os

from leasehold.errors import RefusedError, UnavailableError
from leasehold.runtime import reach
from leasehold.runtime.answers import READ_WAIT_S, WRITE_TIMEOUT_S, error_of, json_of
from leasehold.runtime.wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta
    from io import RawIOBase
    from types import TracebackType
    from typing import Protocol

    class Line(Protocol):
        """The way to a host: a ``Wire`` to its socket, or the host itself when it is in memory."""

        def request(
            self, method: str, path: str, body: bytes = b"", *, timeout_s: float, wait_s: float | None = None
        ) -> tuple[int, bytes]:
            """Send one request and return (status, body)."""
            ...

        def keep_file(self, read: Callable[[int], bytes], size: int) -> Mapping[str, object]:
            """See ``Host.send_file``. A ``Wire`` has its own way."""
            ...

        def open_file(self, sha256: str) -> RawIOBase:
            """See ``Host.open_file``."""
            ...

        def close(self) -> None:
            """Close what is idle."""
            ...


_GRACE_S = 15.0


class Host:
    """The attempt host of this task.

    Attributes:
        wire: What requests go over.
    """

    def __init__(self, line: Line | Wire) -> None:
        self.wire = line
        self._came_to: dict[str, int] = {}

    def read(self, path: str, wait: float | str | timedelta | None = None) -> Mapping[str, object]:
        """Return the JSON object at ``path``.

        Args:
            path: The path, percent-encoded.
            wait: How long the host may wait for the API.

        Raises:
            LeaseholdError: the kind says what the task can do about it.
        """
        return self._ask("GET", path, b"", wait)

    def ask(
        self, path: str, body: Mapping[str, object], wait: float | str | timedelta | None = None
    ) -> Mapping[str, object]:
        """Post ``body`` to ``path`` and return the JSON object that is the answer.

        Args:
            path: The path, percent-encoded.
            body: What is asked.
            wait: How long the host may wait for the API.

        Raises:
            LeaseholdError: the kind says what the task can do about it.
        """
        import json

        return self._ask("POST", path, json.dumps(body, separators=(",", ":")).encode(), wait)

    def write(self, method: str, path: str, body: Mapping[str, object] | None = None) -> None:
        """Send ``body`` to ``path``; when this returns, the host has it on disk.

        Raises:
            LeaseholdError: the kind says what the task can do about it.
        """
        import json

        text = b"" if body is None else json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        self._call(method, path, text, timeout_s=WRITE_TIMEOUT_S)

    def send_file(self, read: Callable[[int], bytes], size: int) -> Mapping[str, object]:
        """Send the ``size`` bytes that ``read`` returns piece by piece; return their ``sha256`` and ``size``.

        Raises:
            ShorterError: ``read`` had fewer.
            LeaseholdError: the kind says what the task can do about it.
        """
        if not isinstance(self.wire, Wire):
            return self.wire.keep_file(read, size)
        from leasehold.runtime.file_wire import send

        return send(self.wire, read, size)

    def open_file(self, sha256: str) -> RawIOBase:
        """Return the bytes of a file as a stream.

        Raises:
            LeaseholdError: the kind says what the task can do about it.
        """
        if not isinstance(self.wire, Wire):
            return self.wire.open_file(sha256)
        from leasehold.runtime.file_wire import Stream

        return Stream(self.wire, sha256)

    def how_manyth(self, subject: str) -> int:
        """Return how often this attempt has come to a wait for ``subject``: tells a loop's second from its first."""
        number = self._came_to[subject] = self._came_to.get(subject, 0) + 1
        return number

    def close(self) -> None:
        """Close the connections that are idle; the next call opens one again."""
        self.wire.close()

    def _ask(self, method: str, path: str, body: bytes, wait: float | str | timedelta | None) -> Mapping[str, object]:
        wait_s = READ_WAIT_S if wait is None else _seconds(wait)
        answer = self._call(method, path, body, timeout_s=wait_s + _GRACE_S, wait_s=wait_s)
        if not isinstance(answer, dict):
            raise RefusedError(f"{method} {path} was answered with something that is not a JSON object")
        return answer

    def _call(self, method: str, path: str, body: bytes, *, timeout_s: float, wait_s: float | None = None) -> object:
        try:
            status, answer = self.wire.request(method, path, body, timeout_s=timeout_s, wait_s=wait_s)
        except TimeoutError:
            why = f"{method} {path}: no answer within {timeout_s:.0f} s. The API may be out of the site's reach"
            raise UnavailableError(why) from None
        except OSError as problem:
            raise UnavailableError(f"{method} {path}: the attempt host can't be reached ({problem})") from problem
        if status >= 400:
            raise error_of(f"{method} {path}", status, json_of(answer))
        return json_of(answer)


def current_host() -> Host | None:
    """Return the attempt host of this process, or None when the script is run by hand."""
    if _in_memory and _in_memory[-1].process == os.getpid():
        return _in_memory[-1].host
    url = os.environ.get("LEASEHOLD_TASK_URL")
    if not url:
        return None
    secret = os.environ.get("LEASEHOLD_TASK_SECRET", "")
    if (url, secret) not in _hosts:
        hang_up()
        _hosts[url, secret] = Host(Wire(url, secret))
    return _hosts[url, secret]


def host_or_outside() -> Host:
    """Return the attempt host of this process, or what stands in for one when the script is run by hand."""
    if host := current_host():
        return host
    if not _outside:
        from leasehold.runtime.outside.stand_in import stand_in

        _outside.append(Host(stand_in()))
    return _outside[0]


def hang_up() -> None:
    """Forget the attempt host and close what leads to it; the next use begins anew."""
    while _hosts:
        _, host = _hosts.popitem()
        host.close()
    _outside.clear()


class InMemory:
    """Makes a host in memory the one of this process, for the length of a ``with`` block.

    A child that the block forks is not reached: what it told would stay in its own memory. It goes by the environment.
    """

    def __init__(self, line: Line) -> None:
        self.host = Host(line)
        self.process = os.getpid()

    def __enter__(self) -> Host:
        _in_memory.append(self)
        return self.host

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _in_memory.remove(self)


_hosts: dict[tuple[str, str], Host] = {}  # one at most
_in_memory: list[InMemory] = []
_outside: list[Host] = []  # one at most


def _seconds(wait: float | str | timedelta) -> float:
    from leasehold.durations import seconds

    return seconds(wait)


reach.host = host_or_outside
