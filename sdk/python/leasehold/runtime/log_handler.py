"""Plain ``logging`` in a task: each record becomes a record of the task's log, with its fields."""

from __future__ import annotations

import logging

from leasehold.runtime.records import record as write

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LEVELS = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)


class TaskLogHandler(logging.Handler):
    """Sends records to the attempt host. ``extra={…}`` and the logger's name become fields."""

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
