"""A mistake in an author's file: what is wrong, where, and how to put it right."""

from __future__ import annotations

import sys
from os.path import dirname, sep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

_OUR_FOLDER = dirname(dirname(__file__)) + sep  # noqa: PTH120 - pathlib would be paid at every task's start


class Place(tuple[str, int]):  # noqa: SLOT001 - a subclass of tuple can't have any
    """(file, line) of the author's code, which knows what in the line it was, when somebody asks.

    Attributes:
        code: What was running there.
        step: Which of its instructions, as ``f_lasti`` counts them.
    """

    code: CodeType
    step: int

    @classmethod
    def of(cls, file: str, line: int, code: CodeType, step: int) -> Place:
        """Return the place where an instruction stands."""
        place = cls((file, line))
        place.code, place.step = code, step
        return place

    def span(self) -> tuple[int, int, int, int] | None:
        """Return (first line, first byte in it, last line, end in it) of the expression, from 1 and from 0."""
        positions = [*self.code.co_positions()][self.step // 2 : self.step // 2 + 1]
        for first, last, begin, end in positions:
            if first is not None and last is not None and begin is not None and end is not None:
                return first, begin, last, end
        return None


class AuthoringError(Exception):
    """The file can't be made into a DAG.

    Attributes:
        message: What is wrong.
        cure: What to do about it.
        file: The author's file.
        line: The line in it, from 1.
        place: Both; what in the line it is, where that is known.
        word: The name of the argument that is wrong, if it is one.
    """

    def __init__(
        self, message: str, cure: str = "", *, place: tuple[str, int] | None = None, word: str | None = None
    ) -> None:
        super().__init__(message, cure)
        self.message = message
        self.cure = cure
        self.place = place or author_place()
        self.file, self.line = self.place
        self.word = word

    def __str__(self) -> str:
        cure = f"\n  {self.cure}" if self.cure else ""
        return f"{self.file}:{self.line}: {self.message}{cure}"


def author_place() -> tuple[str, int]:
    """Return (file, line) of the author's code that is calling us: the nearest frame outside this package."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # the documented way to one's callers
    while frame.f_back and frame.f_code.co_filename.startswith(_OUR_FOLDER):
        frame = frame.f_back
    return Place.of(frame.f_code.co_filename, frame.f_lineno, frame.f_code, frame.f_lasti)


class _Gathered:
    """Mistakes that need not stop the file, while one is loaded; nobody gathers where a task runs."""

    mistakes: list[AuthoringError] | None = None


def gather_mistakes(mistakes: list[AuthoringError] | None) -> None:
    """Append what ``tell`` is told from now on to ``mistakes``; None: it is raised."""
    _Gathered.mistakes = mistakes


def tell(mistake: AuthoringError) -> None:
    """Note a mistake and go on, so that the author hears of all of them at once.

    Raises:
        AuthoringError: the mistake itself, where nobody gathers them.
    """
    if _Gathered.mistakes is None:
        raise mistake
    _Gathered.mistakes.append(mistake)


def did_you_mean(name: str, known: object) -> str:
    """Return ``Did you mean 'x'? ``, or nothing when no known name is near."""
    from difflib import get_close_matches

    near = get_close_matches(name, [str(one) for one in known], n=1) if isinstance(known, list | tuple | dict) else []
    return f"Did you mean {near[0]!r}? " if near else ""
