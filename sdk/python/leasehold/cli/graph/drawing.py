"""Draws a layered DAG on a canvas of characters: boxes are words, lines are box drawing signs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from leasehold.cli.graph.channels import Channel, Line, channel
from leasehold.cli.graph.layers import Placed, Point

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
_SIGNS = {
    UP | DOWN: "│",
    LEFT | RIGHT: "─",
    DOWN | RIGHT: "╭",
    DOWN | LEFT: "╮",
    UP | RIGHT: "╰",
    UP | LEFT: "╯",
    UP | DOWN | RIGHT: "├",
    UP | DOWN | LEFT: "┤",
    DOWN | LEFT | RIGHT: "┬",
    UP | LEFT | RIGHT: "┴",
    UP | DOWN | LEFT | RIGHT: "┼",
}
LINE_STYLE = "dim"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What is written where a task stands."""

    text: str
    style: str = ""


@dataclass(slots=True)
class _Cell:
    """What passes through one character: which ways, and the lines that go across and along."""

    ways: int = 0
    across: set[int] = field(default_factory=set[int])
    along: set[int] = field(default_factory=set[int])

    def sign(self) -> str:
        # Two lines that have nothing to do with one another: the one across goes below, or they would seem joined.
        if self.ways == UP | DOWN | LEFT | RIGHT and not self.across & self.along:
            return "│"
        return _SIGNS.get(self.ways, "─" if self.ways & (LEFT | RIGHT) else "│")


class _Canvas:
    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], _Cell] = {}
        self._words: dict[int, list[tuple[int, Box, int]]] = {}

    def write(self, row: int, column: int, box: Box, width: int) -> None:
        self._words.setdefault(row, []).append((column, box, width))

    def across(self, line: int, row: int, begin: int, end: int) -> None:
        """Draw from column ``begin`` to ``end``, both included; the ends go half a sign further in."""
        for column in range(begin, end + 1):
            cell = self._cells.setdefault((row, column), _Cell())
            cell.ways |= (LEFT if column > begin else 0) | (RIGHT if column < end else 0)
            cell.across.add(line)

    def along(self, line: int, column: int, rows: tuple[int, ...]) -> None:
        """Draw along a track, from the topmost of the rows to the lowest."""
        top, bottom = min(rows), max(rows)
        for row in range(top, bottom + 1):
            cell = self._cells.setdefault((row, column), _Cell())
            cell.ways |= (UP if row > top else 0) | (DOWN if row < bottom else 0)
            cell.along.add(line)

    def lines(self) -> list[Text]:
        by_row: dict[int, dict[int, _Cell]] = {}
        for (row, column), cell in self._cells.items():
            by_row.setdefault(row, {})[column] = cell
        last = max([*by_row, *self._words], default=-1)
        return [self._line(by_row.get(row, {}), self._words.get(row, [])) for row in range(last + 1)]

    def _line(self, cells: Mapping[int, _Cell], words: list[tuple[int, Box, int]]) -> Text:
        pieces = [(column, 1, cell.sign(), LINE_STYLE) for column, cell in cells.items()]
        pieces += [(column, width, box.text, box.style) for column, box, width in words]
        made: list[tuple[str, str]] = []
        reached = 0
        for column, width, text, style in sorted(pieces):
            gap = " " * (column - reached)
            if made and made[-1][1] == style:
                made[-1] = (made[-1][0] + gap + text, style)
            else:
                made += [(gap, ""), (text, style)]
            reached = column + width
        return Text.assemble(*made, no_wrap=True, overflow="ellipsis")


class Drawing:
    """A drawing that knows how wide it will be before it is made.

    Args:
        placed: Where the boxes go.
        boxes: What is written in each task's place.
        longest: How many columns a box may take; longer ones are cut.
        channels: What ``channels_of(placed)`` returned; several drawings of one DAG share it.
    """

    def __init__(
        self, placed: Placed, boxes: Mapping[str, Box], *, longest: int, channels: Sequence[Channel] | None = None
    ) -> None:
        self._placed = placed
        self._boxes = {name: _cut(box, longest) for name, box in boxes.items()}
        self._channels = channels_of(placed) if channels is None else channels
        self._spacing = 2 if any(way.is_lowered for way in self._channels) else 1
        self._columns: list[tuple[int, int]] = []
        """Where each layer begins, and how wide its boxes are."""
        column = 0
        for points, way in zip(placed.layers, self._channels, strict=True):
            wide = max((cell_len(self._boxes[name].text) for name, layer in points if _is_own(placed, (name, layer))))
            self._columns.append((column, wide))
            column += wide + _width_of(way)
        self.width = column
        """In columns of the terminal."""
        self.height = (1 + max(placed.rows.values(), default=-1)) * self._spacing

    def lines(self) -> list[Text]:
        """Return the drawing, line by line."""
        canvas, number = _Canvas(), 0
        for points, way, (column, wide) in zip(self._placed.layers, self._channels, self._columns, strict=True):
            for point in points:
                self._point(canvas, point, way, column=column, wide=wide, number=number)
            _route(canvas, way, end=column + wide + 2, spacing=self._spacing, number=number)
            number += len(way.lines)
        return canvas.lines()

    def _point(self, canvas: _Canvas, point: Point, way: Channel, *, column: int, wide: int, number: int) -> None:
        """Write a task, or go on with its line where it only crosses the layer; and lead it to the channel."""
        row = self._placed.rows[point]
        begin = column - 1
        if _is_own(self._placed, point):
            box = self._boxes[point[0]]
            width = cell_len(box.text)
            canvas.write(row * self._spacing, column, box, width)
            begin = column + width + 1
        if self._placed.after[point]:
            line = number + next(place for place, line in enumerate(way.lines) if row in line.sources)
            canvas.across(line, row * self._spacing, begin, column + wide + 2)


def _width_of(way: Channel) -> int:
    """Return how many columns there are from the boxes of a layer to those of the next."""
    return 5 + 2 * way.tracks + (1 if way.is_lowered else 0) if way.lines else 0


def _is_own(placed: Placed, point: Point) -> bool:
    """A point is the task itself in the first layer that its name is in."""
    return (point[0], point[1] - 1) not in placed.rows


def _cut(box: Box, longest: int) -> Box:
    if cell_len(box.text) <= longest:
        return box
    return Box(text=set_cell_size(box.text, longest - 1).rstrip() + "…", style=box.style)


def channels_of(placed: Placed) -> list[Channel]:
    """Return the lines between each layer and the next."""
    rows = placed.rows
    return [
        channel({rows[point]: [rows[after] for after in placed.after[point]] for point in points})
        for points in placed.layers
    ]


def _route(canvas: _Canvas, way: Channel, *, end: int, spacing: int, number: int) -> None:
    """Draw the lines of a channel that begins at the column ``end``."""
    shift = 1 if way.is_lowered else 0
    last = end + shift + 2 * way.tracks + 1
    for place, line in enumerate(way.lines, start=number):
        if line.track is None:
            canvas.across(place, line.sources[0] * spacing, end - 1, last)
        else:
            _turn(canvas, line, place, end=end, last=last, spacing=spacing, shift=shift)


def _turn(canvas: _Canvas, line: Line, number: int, *, end: int, last: int, spacing: int, shift: int) -> None:
    track = end + shift + 2 * (line.track or 0) + 1
    sources = [row * spacing + shift for row in line.sources]
    targets = [row * spacing for row in line.targets]
    for row in sources:
        if shift:
            canvas.across(number, row - shift, end - 1, end)
            canvas.along(number, end, (row - shift, row))
        canvas.across(number, row, end if shift else end - 1, track)
    canvas.along(number, track, (*sources, *targets))
    for row in targets:
        canvas.across(number, row, track, last)
