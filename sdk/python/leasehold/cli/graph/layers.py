"""Where the boxes of a layered drawing go: a column for each, and a row. Pure.

The steps of Sugiyama, Tagawa and Toda (1981): layers by the longest path, a point in every layer that a long line
crosses, an order in each layer that keeps lines from crossing, then rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 6
"""How often the order of the layers is improved, there and back."""

Upstream = Mapping[str, Sequence[str]]
Point = tuple[str, int]
"""A task in its own layer, or its line where that crosses a later one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A layered DAG.

    Attributes:
        layers: The points of each layer, from the top.
        rows: The row of each point, from 0.
        after: For each point, the points of the next layer that its line leads to.
        left_out: How many lines are not drawn because they follow from others.
    """

    layers: list[list[Point]]
    rows: dict[Point, int]
    after: dict[Point, list[Point]]
    left_out: int


def place(upstream: Upstream) -> Placed:
    """Return where each task goes. ``upstream`` names tasks of itself only, and has no circle."""
    order = sorted_tasks(upstream)
    direct = reduced(upstream, order)
    layer = layers_of(direct, order)
    points, after = _points(direct, order, layer)
    before: dict[Point, list[Point]] = {point: [] for column in points for point in column}
    for point, targets in after.items():
        for target in targets:
            before[target].append(point)
    for sweep in range(SWEEPS):
        _reorder(points, before if sweep % 2 == 0 else after, backwards=sweep % 2 == 1)
    left_out = sum(map(len, upstream.values())) - sum(map(len, direct.values()))
    return Placed(layers=points, rows=_rows(points, before, after), after=after, left_out=left_out)


def sorted_tasks(upstream: Upstream) -> list[str]:
    """Return the tasks so that each comes after those it waits for, else in their own order."""
    done: dict[str, None] = {}
    for start in upstream:
        steps = [(start, False)]
        while steps:
            name, leaving = steps.pop()
            if name in done:
                continue
            if leaving:
                done[name] = None
            else:
                steps.append((name, True))
                steps += [(other, False) for other in reversed(upstream[name]) if other not in done]
    return list(done)


def reduced(upstream: Upstream, order: Sequence[str]) -> dict[str, list[str]]:
    """Return the same order with as few lines as can be: without those that a longer way says, too."""
    bit = {name: 1 << place for place, name in enumerate(order)}
    ancestors: dict[str, int] = {}
    direct: dict[str, list[str]] = {}
    for name in order:
        near = list(dict.fromkeys(upstream[name]))
        beyond = 0
        for other in near:
            beyond |= ancestors[other]
        direct[name] = [other for other in near if not bit[other] & beyond]
        ancestors[name] = beyond | sum(bit[other] for other in direct[name])
    return direct


def layers_of(direct: Upstream, order: Sequence[str]) -> dict[str, int]:
    """Return the layer of each task: one after the last of those it waits for."""
    layer: dict[str, int] = {}
    for name in order:
        layer[name] = 1 + max((layer[other] for other in direct[name]), default=-1)
    return layer


def _points(
    direct: Upstream, order: Sequence[str], layer: Mapping[str, int]
) -> tuple[list[list[Point]], dict[Point, list[Point]]]:
    """Return the points of each layer, and what leads to what: one line per task, however far it goes."""
    columns: list[list[Point]] = [[] for _ in range(1 + max(layer.values(), default=-1))]
    after: dict[Point, list[Point]] = {}
    for name in order:
        after[name, layer[name]] = []
        columns[layer[name]].append((name, layer[name]))
    for name in order:
        for other in direct[name]:
            for column in range(layer[other] + 1, layer[name]):
                if (other, column) not in after:
                    after[other, column - 1].append((other, column))
                    after[other, column] = []
                    columns[column].append((other, column))
            after[other, layer[name] - 1].append((name, layer[name]))
    return columns, after


def _reorder(columns: list[list[Point]], fixed: Mapping[Point, list[Point]], *, backwards: bool) -> None:
    """Order each layer by where its neighbours on one side stand on average."""
    sequence = columns[::-1] if backwards else columns
    for beside, column in pairwise(sequence):
        at = {point: place for place, point in enumerate(beside)}
        own = {point: place for place, point in enumerate(column)}
        column.sort(key=lambda point: (_mean([at[other] for other in fixed[point]], own[point]), own[point]))


def _rows(
    columns: list[list[Point]], before: Mapping[Point, list[Point]], after: Mapping[Point, list[Point]]
) -> dict[Point, int]:
    """Return rows in the order of the layers, near the rows of the neighbours."""
    rows = {point: place for column in columns for place, point in enumerate(column)}
    for sweep in range(SWEEPS):
        sequence = columns if sweep % 2 == 0 else columns[::-1]
        beside = before if sweep % 2 == 0 else after
        for column in sequence:
            wanted = [round(_mean([rows[other] for other in beside[point]], rows[point])) for point in column]
            rows |= zip(column, _apart(wanted), strict=True)
    top = min(rows.values(), default=0)
    return {point: row - top for point, row in rows.items()}


def _apart(wanted: Sequence[int]) -> list[int]:
    """Return rows at least one apart, in the same order, each near the one wanted."""
    down: list[int] = []
    for row in wanted:
        down.append(max(row, down[-1] + 1) if down else row)
    up: list[int] = []
    for row in reversed(wanted):
        up.append(min(row, up[-1] - 1) if up else row)
    # The mean of two sequences whose steps are one or more has such steps, too.
    return [(high + low) // 2 for high, low in zip(down, reversed(up), strict=True)]


def _mean(values: Sequence[int], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
