"""Patterns as the site's policy writes them: ``*`` and ``?`` stay within one part of a path, ``**`` is anything."""

from __future__ import annotations

import re
from functools import lru_cache

ANYTHING = "**"
_LONGEST_TEXT = 64 * 1024
_CLIMBS = re.compile(r"(?:^|[^\w.])\.\.(?:/|$)")


def matches(pattern: str, text: str) -> bool:
    """Say whether the whole of ``text`` fits.

    What climbs (``/data/../etc``) fits only a pattern that says so letter by letter, or ``**`` alone. Runs in time
    proportional to both lengths, because the text is an author's: a regular expression could be made to run for hours.
    """
    if pattern in (ANYTHING, text):
        return True
    if len(text) > _LONGEST_TEXT or _CLIMBS.search(text):
        return False
    tokens = _tokens(pattern)
    places = _with_skips(tokens, {0})
    for char in text:
        places = _with_skips(tokens, {after for place in places for after in _step(tokens, place, char)})
        if not places:
            return False
    return len(tokens) in places


def _step(tokens: tuple[str, ...], place: int, char: str) -> tuple[int, ...]:
    """Return where one more character leads from one place in the pattern."""
    if place == len(tokens):
        return ()
    match tokens[place]:
        case "**":
            return (place,)
        case "*":
            return (place,) if char != "/" else ()
        case "?":
            return (place + 1,) if char != "/" else ()
        case letter:
            return (place + 1,) if letter == char else ()


def _with_skips(tokens: tuple[str, ...], places: set[int]) -> set[int]:
    """Add the places that are reached because a star may stand for nothing."""
    found = set(places)
    for place in places:
        after = place
        while after < len(tokens) and tokens[after] in ("*", "**"):
            after += 1
            found.add(after)
    return found


@lru_cache(maxsize=256)
def _tokens(pattern: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\*\*|.", pattern, re.DOTALL))
