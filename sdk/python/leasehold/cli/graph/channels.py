"""The lines between two layers of a drawing: which share a track, and in what order the tracks stand. Pure.

Lines go out of a box to the right, up or down along a track, and to the right into other boxes. Two that lead to the
same boxes are one. On a row where one line goes out and another comes in, the one that goes out has to turn away
first; where that is a circle, lines go out half a row lower.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a channel.

    Attributes:
        sources: The rows where it comes out of boxes.
        targets: The rows where it leads into boxes.
        track: Where it goes up and down; None where it goes straight on.
    """

    sources: tuple[int, ...]
    targets: tuple[int, ...]
    track: int | None = None

    @property
    def is_straight(self) -> bool:
        """It needs no track."""
        return self.sources == self.targets and len(self.sources) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """All lines between two layers.

    Attributes:
        lines: The lines, each with its track.
        tracks: How many tracks there are.
        is_lowered: Lines go out half a row below their boxes.
    """

    lines: tuple[Line, ...]
    tracks: int
    is_lowered: bool


def channel(leads: Mapping[int, Sequence[int]]) -> Channel:
    """Return the channel in which each row's line leads to others' rows."""
    together: dict[tuple[int, ...], list[int]] = {}
    for source, targets in sorted(leads.items()):
        if targets:
            together.setdefault(tuple(sorted(set(targets))), []).append(source)
    lines = [Line(sources=tuple(sources), targets=targets) for targets, sources in together.items()]
    order = _in_order(lines)
    is_lowered = order is None
    placed = _with_tracks(lines, range(len(lines)) if order is None else order, is_lowered=is_lowered)
    tracks = 1 + max((line.track for line in placed if line.track is not None), default=-1)
    return Channel(lines=tuple(placed), tracks=tracks, is_lowered=is_lowered)


def _turns_first(lines: Sequence[Line]) -> dict[int, set[int]]:
    """Return for each line those that have to turn before it: they go out on a row where it comes in."""
    out = {row: place for place, line in enumerate(lines) if not line.is_straight for row in line.sources}
    first: dict[int, set[int]] = {place: set() for place in range(len(lines))}
    for place, line in enumerate(lines):
        first[place] = {out[row] for row in line.targets if row in out and out[row] != place}
    return first


def _in_order(lines: Sequence[Line]) -> list[int] | None:
    """Return the lines so that each comes after those that turn before it; None if they are in a circle."""
    first = _turns_first(lines)
    done: list[int] = []
    left = set(first)
    while left:
        free = sorted(place for place in left if not first[place] & left)
        if not free:
            return None
        done += free
        left -= set(free)
    return done


def _with_tracks(lines: Sequence[Line], order: Iterable[int], *, is_lowered: bool) -> list[Line]:
    """Give each line the first track that is free where it goes, and behind those that turn first."""
    first = {} if is_lowered else _turns_first(lines)
    taken: list[list[tuple[int, int]]] = []
    placed = list(lines)
    for place in order:
        line = lines[place]
        if line.is_straight and not is_lowered:
            continue
        rows = (*line.sources, *line.targets)
        top, bottom = min(rows), max(rows)
        before = [placed[other].track for other in first.get(place, ())]
        track = 1 + max((found for found in before if found is not None), default=-1)
        while track < len(taken) and any(top <= end and begin <= bottom for begin, end in taken[track]):
            track += 1
        while len(taken) <= track:
            taken.append([])
        taken[track].append((top, bottom))
        placed[place] = replace(line, track=track)
    return placed
