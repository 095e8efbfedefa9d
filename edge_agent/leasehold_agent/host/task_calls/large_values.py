"""Values of many megabytes, checked where they lie on the disk: only their text is in memory meanwhile, no tree of it.

``{"value": …}`` is found by its beginning and end; what is between is read by the JSON scanner, which forgets each
object as it is read. What does not look so plain is left to ``written_values.written_value``.
"""

from __future__ import annotations

import codecs
import json
import math
import mmap
import os
import re
from hashlib import sha256
from pathlib import Path

from leasehold.runtime.rules.checks import no_constant
from leasehold.runtime.rules.mapped import length_of
from leasehold.runtime.rules.refusals import RefusedRequestError, invalid
from leasehold.runtime.rules.written_values import whole_number
from leasehold_agent.host.numbered import DiskFullError

_BEGIN = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"value"[ \t\r\n]*:')
_END = re.compile(rb"\}[ \t\r\n]*\Z")
_MANY_DIGITS = re.compile(rb"[0-9]{19}")
_LARGE_EXPONENT = re.compile(rb"[eE]\+?[0-9]{3}|[0-9]{300}")
_HALF = re.compile(rb"\\u[dD][89aAbB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89aAbB]..)\\u[dD][c-fC-F]")
_FILE = re.compile(rb'"\$type"\s*:\s*"file"|\\u0024type')
_PIECE_BYTES = 1024 * 1024


def checked(path: Path, target: Path) -> tuple[int, str, int | None] | None:
    """Write the value of the body at ``path`` to ``target``; return (size, SHA-256, number of its items). Blocks.

    Returns:
        None, when the body has to be looked at as a whole.

    Raises:
        RefusedRequestError: if it is no JSON value.
        DiskFullError: if the disk doesn't take it.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as body:
        begin, end = _BEGIN.match(body), _END.search(body, max(0, len(body) - 4096))
        if begin is None or end is None or _HALF.search(body) or _FILE.search(body):
            return None
        length = _Length()
        if not _is_one_value(body, begin.end(), end.start(), length):
            return None
        return *_copied(body, begin.end(), end.start(), target), length.of_all


class _Length:
    """How many items the value has that was read last: the outermost, in the end."""

    def __init__(self) -> None:
        self.of_all: int | None = None

    def forget(self, pairs: list[tuple[str, object]]) -> None:
        """Forget an object: only whether it is one counts, and how long the last one was."""
        found = dict(pairs)
        self.of_all = length_of(found)


def _is_one_value(body: mmap.mmap, start: int, end: int, length: _Length) -> bool:
    whole = whole_number if _MANY_DIGITS.search(body) else None
    real = _finite if _LARGE_EXPONENT.search(body) else None
    decoder = json.JSONDecoder(
        object_pairs_hook=length.forget, parse_int=whole, parse_float=real, parse_constant=no_constant
    )
    try:
        with memoryview(body) as view, view[start:end] as value:
            text = codecs.decode(value, "utf-8")
        found = decoder.decode(text)
    except RecursionError:
        raise RefusedRequestError(400, "not_json", "the value is nested too deeply: flatten it") from None
    except ValueError:
        return False  # {"value": 1, "more": 2} is right, and broken JSON gets its reason from who reads it whole
    if found is not None:  # no object: those are forgotten
        length.of_all = length_of(found)
    return True


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise invalid("a number is too large for JSON: send it as text")
    return number


def _copied(body: mmap.mmap, start: int, end: int, target: Path) -> tuple[int, str]:
    digest = sha256()
    try:
        with target.open("xb") as file:
            for at in range(start, end, _PIECE_BYTES):
                piece = body[at : min(at + _PIECE_BYTES, end)]
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        target.unlink(missing_ok=True)
        raise DiskFullError from None
    return end - start, digest.hexdigest()
