"""One record of the task's log: to the attempt host, or to standard error where no task is running."""

from __future__ import annotations

import sys

from leasehold.errors import LeaseholdError
from leasehold.runtime.host import current_host


def record(level: str, message: str, fields: dict[str, object]) -> None:
    """Write one record. Never raises: a log that can't be written must not end the task."""
    data = {name: _writable(value) for name, value in fields.items()}
    if host := current_host():
        # Bytes that a program printed may be half a character: the log shows a mark instead.
        text = message.encode(errors="replace").decode()
        try:
            host.write("POST", "/v1/log", {"level": level, "message": text, "fields": data})
            return
        except LeaseholdError:
            pass  # the pipe to the host may still be there: standard error is the log as well
    shown = "".join(f" {name}={value!r}" for name, value in data.items())
    print(f"{level.upper()} {message}{shown}", file=sys.stderr, flush=True)  # noqa: T201 - standard error is the log


def _writable(value: object) -> object:
    from leasehold.runtime.values import plain

    try:
        return plain(value)
    except TypeError:
        return repr(value).encode(errors="replace").decode()
