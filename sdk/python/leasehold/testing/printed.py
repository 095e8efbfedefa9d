"""What a task prints in this process: a line of its log each, and still on the screen."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO

from leasehold.runtime.in_memory.told import LogRecord, Told
from leasehold.runtime.log_handler import TaskLogHandler
from leasehold.runtime.rules.instants import now


@contextmanager
def led_into_log(told: Told) -> Generator[None]:
    """Lead ``print`` and plain ``logging`` (from INFO up) into the log, as in a task process."""
    root, handler = logging.getLogger(), TaskLogHandler()
    level = root.level
    out, err = _Printed("stdout", sys.stdout, told), _Printed("stderr", sys.stderr, told)
    handler.setLevel(logging.INFO)
    root.addHandler(handler)
    root.setLevel(min(level, logging.INFO))  # a test that wants to see more in caplog goes on to see it
    try:
        with redirect_stdout(out), redirect_stderr(err):
            yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        out.finish()
        err.finish()


class _Printed(io.TextIOBase):
    def __init__(self, source: str, screen: TextIO, told: Told) -> None:
        super().__init__()
        self._source = source
        self._screen = screen
        self._told = told
        self._line = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a stream has it, TextIOBase only says so
        return "utf-8"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._screen.fileno()

    def isatty(self) -> bool:
        return False

    def flush(self) -> None:
        if not self.closed:
            self._screen.flush()

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._keep(line)
        self._screen.write(text)
        return len(text)

    def finish(self) -> None:
        """Keep what was printed without a line feed."""
        if self._line:
            self._keep(self._line)
            self._line = ""

    def _keep(self, line: str) -> None:
        shown = self._told.secrets.mask(line)
        self._told.log.append(LogRecord(at=now(), level=self._source, message=shown))
