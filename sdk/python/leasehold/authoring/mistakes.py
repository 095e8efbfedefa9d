"""A mistake in an author's file: what is wrong, where, and how to put it right."""

from __future__ import annotations

import sys
from os.path import dirname, sep

_OUR_FOLDER = dirname(dirname(__file__)) + sep  # noqa: PTH120 - pathlib would be paid at every task's start


class AuthoringError(Exception):
    """The file can't be made into a DAG.

    Attributes:
        message: What is wrong.
        cure: What to do about it.
        file: The author's file.
        line: The line in it, from 1.
    """

    def __init__(self, message: str, cure: str = "", *, place: tuple[str, int] | None = None) -> None:
        super().__init__(message, cure)
        self.message = message
        self.cure = cure
        self.file, self.line = place or author_place()

    def __str__(self) -> str:
        cure = f"\n  {self.cure}" if self.cure else ""
        return f"{self.file}:{self.line}: {self.message}{cure}"


def author_place() -> tuple[str, int]:
    """Return (file, line) of the author's code that is calling us: the nearest frame outside this package."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # the documented way to one's callers
    while frame.f_back and frame.f_code.co_filename.startswith(_OUR_FOLDER):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno
