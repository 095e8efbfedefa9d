"""The traceback of a task's failure as its author needs it: their lines, and ours in one.

What went on inside Leasehold is of no use to who looks for a mistake in their own code. Where no line of theirs is in
it the whole is shown: then it is our mistake.
"""

from __future__ import annotations

import traceback
from pathlib import PurePath
from types import TracebackType

import leasehold
from leasehold.runtime.authors_files import name_of

OUR_FOLDER = str(PurePath(leasehold.__file__).parent)


def formatted(problem: BaseException, begin: TracebackType | None) -> str:
    """Return the traceback of ``problem`` from the frame ``begin`` on, and those of what led to it."""
    whole = traceback.TracebackException(type(problem), problem, begin)
    waiting: list[traceback.TracebackException | None] = [whole]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.stack = _Folded.of(one.stack)
            waiting += [one.__cause__, one.__context__, *(one.exceptions or ())]
    return "".join(whole.format()).rstrip()


def is_ours(frame: traceback.FrameSummary) -> bool:
    """Return whether a frame is Leasehold's own."""
    return frame.filename.startswith(OUR_FOLDER)


class _Folded(traceback.StackSummary):
    """A stack in which a row of our frames is one line."""

    @classmethod
    def of(cls, frames: traceback.StackSummary) -> traceback.StackSummary:
        """Return the frames folded; as they are, where none of them is the author's."""
        if all(is_ours(frame) for frame in frames):
            return frames
        kept = [
            frame for place, frame in enumerate(frames) if not (place and is_ours(frame) and is_ours(frames[place - 1]))
        ]
        folded = cls()
        folded.extend(kept)
        return folded

    def format_frame_summary(self, frame_summary: traceback.FrameSummary) -> str:
        """Return a frame's lines; of ours only what was called, of the author's with the file as they know it."""
        if is_ours(frame_summary):
            return f"  … inside leasehold, in {frame_summary.name}\n"
        lines = super().format_frame_summary(frame_summary)
        file = frame_summary.filename
        return lines.replace(f'"{file}"', f'"{name_of(file)}"', 1)
