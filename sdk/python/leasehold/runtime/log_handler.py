"""Plain ``logging`` in a task: each record becomes a record of the task's log, with its fields."""

from __future__ import annotations

import logging
from types import TracebackType

from leasehold.runtime.records import record as write

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LEVELS = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)


class _Formatter(logging.Formatter):
    """Shows tracebacks as the log shows the one that a task ends with."""

    def formatException(  # noqa: N802 - logging's own name
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """Return the traceback of an exception."""
        from leasehold.runtime.tracebacks import formatted

        return super().formatException(ei) if ei[1] is None else formatted(ei[1], ei[2])


class TaskLogHandler(logging.Handler):
    """Sends records to the attempt host. ``extra={…}`` and the logger's name become fields."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record of ``logging``."""
        try:
            level = next((name for number, name in _LEVELS if record.levelno >= number), "debug")
            write(level, self.format(record), _fields(record))
        except Exception:  # noqa: BLE001 - logging's own rule: a handler reports its errors and goes on
            self.handleError(record)


def install() -> None:
    """Put the handler on the root logger, from INFO up."""
    root = logging.getLogger()
    if not any(isinstance(handler, TaskLogHandler) for handler in root.handlers):
        root.addHandler(TaskLogHandler())
        root.setLevel(logging.INFO)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    extra = {name: value for name, value in vars(record).items() if name not in _OWN}
    return {"logger": record.name, **extra}
