"""The task's log: short text, facts as fields. ``print``, ``logging`` and ``warnings`` end up there too.

    log.info("read the sensors", rows=128, plant="north")

A script run by hand writes to standard error instead.
"""

from __future__ import annotations

from leasehold.runtime.records import record

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
    import sys

    from leasehold.runtime.tracebacks import formatted

    problem = sys.exception()
    shown = "" if problem is None else f"\n{formatted(problem, problem.__traceback__)}"
    record("error", f"{message}{shown}", fields)


def handler() -> logging.Handler:
    """Return a ``logging.Handler`` that writes to the task's log. A task process has it on the root logger already."""
    from leasehold.runtime.log_handler import TaskLogHandler

    return TaskLogHandler()
