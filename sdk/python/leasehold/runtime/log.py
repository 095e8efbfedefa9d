"""The task's log: short text, facts as fields. ``print``, ``logging`` and ``warnings`` end up there too.

    log.info("read the sensors", rows=128, plant="north")

A script run by hand writes to standard error instead.
"""

from __future__ import annotations

import sys

from leasehold.errors import LeaseholdError
from leasehold.runtime.host import current_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging


def debug(message: str, **fields: object) -> None:
    """Log a detail for whoever looks for a fault."""
    record("debug", message, fields)


def info(message: str, **fields: object) -> None:
    """Log something worth knowing."""
    record("info", message, fields)


def warning(message: str, **fields: object) -> None:
    """Log something odd that the task can live with."""
    record("warning", message, fields)


def error(message: str, **fields: object) -> None:
    """Log something that went wrong."""
    record("error", message, fields)


def critical(message: str, **fields: object) -> None:
    """Log something that needs a person at once."""
    record("critical", message, fields)


def exception(message: str, **fields: object) -> None:
    """Log something that went wrong, with the traceback of the exception being handled."""
    from traceback import format_exc

    record("error", f"{message}\n{format_exc().rstrip()}", fields)


def handler() -> logging.Handler:
    """Return a ``logging.Handler`` that writes to the task's log. A task process has it on the root logger already."""
    from leasehold.runtime.log_handler import TaskLogHandler

    return TaskLogHandler()


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
