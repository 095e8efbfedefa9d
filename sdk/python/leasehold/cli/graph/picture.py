"""The picture of a DAG that fits the place where it is shown: drawn, with like tasks as one, or as a list of layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from leasehold.cli.graph.drawing import Box, Drawing, channels_of
from leasehold.cli.graph.layers import layers_of, place, reduced, sorted_tasks
from leasehold.cli.log_lines import harmless
from leasehold.cli.screen import STATE_STYLES

HIGHEST = 60
"""Rows; in a drawing that would be higher, tasks that wait for the same and are waited for by the same become one."""

LENGTHS = (40, 24, 16, 12)
"""How long names may be, tried one after the other until the drawing is narrow enough."""

MARKS = {
    "success": "✓",
    "failed": "✗",
    "upstream_failed": "✗",
    "running": "▶",
    "queued": "○",
    "up_for_retry": "↻",
    "up_for_reschedule": "↻",
    "deferred": "…",
    "skipped": "↷",
    "cancelled": "■",
    "none": "·",
}
_WORST_FIRST = ("failed", "running", "up_for_retry", "up_for_reschedule", "deferred", "queued", "upstream_failed")
"""Of several states, the one whose mark stands for them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One task of the picture.

    Attributes:
        name: Its id.
        upstream: The tasks that it waits for.
        states: The states of its instances; none where only the DAG is drawn.
        kind: What it is beside a usual task; shown behind its name.
    """

    name: str
    upstream: tuple[str, ...]
    states: tuple[str, ...] = ()
    kind: str = ""


def picture(tasks: Sequence[Drawn], *, width: int) -> RenderableType:
    """Return the picture, at most ``width`` columns wide."""
    known = {task.name for task in tasks}
    upstream = {task.name: [name for name in task.upstream if name in known] for task in tasks}
    boxes = {task.name: _box(task.name, task.states, task.kind) for task in tasks}
    placed = place(upstream)
    if max(placed.rows.values(), default=0) >= HIGHEST:
        upstream, boxes = _together(tasks, upstream)
        placed = place(upstream)
    channels = channels_of(placed)
    for longest in LENGTHS:
        drawing = Drawing(placed, boxes, longest=longest, channels=channels)
        if drawing.width <= width:
            return Group(*drawing.lines(), *_notes(tasks, placed.left_out))
    return Group(*_list(upstream, boxes), *_notes(tasks, 0, "It is too wide to be drawn here: these are its layers."))


def _box(name: str, states: Sequence[str], kind: str = "") -> Box:
    text = harmless(name)
    if kind:
        text += f" {kind}"
    if not states:
        return Box(text=text)
    if len(states) > 1:
        counts = Counter(states)
        done = counts["success"]
        text += f" ×{len(states)}" if done == len(states) else f" {done}/{len(states)}"
        text += f" {MARKS['failed']}{counts['failed']}" if counts["failed"] else ""
    state = next((state for state in _WORST_FIRST if state in states), states[0])
    return Box(text=f"{MARKS.get(state, '?')} {text}", style=STATE_STYLES.get(state, ""))


def _together(
    tasks: Sequence[Drawn], upstream: Mapping[str, Sequence[str]]
) -> tuple[dict[str, list[str]], dict[str, Box]]:
    """Make tasks with the same neighbours one, named after the first of them."""
    direct = reduced(upstream, sorted_tasks(upstream))
    downstream: dict[str, list[str]] = {name: [] for name in direct}
    for name, before in direct.items():
        for other in before:
            downstream[other].append(name)
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Drawn]] = {}
    for task in tasks:
        neighbours = (tuple(sorted(direct[task.name])), tuple(sorted(downstream[task.name])))
        alike.setdefault(neighbours, []).append(task)
    first = {task.name: group[0].name for group in alike.values() for task in group}
    boxes: dict[str, Box] = {}
    for group in alike.values():
        states = tuple(state for task in group for state in task.states)
        name = group[0].name if len(group) == 1 else f"{group[0].name} and {len(group) - 1} others"
        boxes[group[0].name] = _box(name, states, group[0].kind if len(group) == 1 else "")
    return {name: list(dict.fromkeys(first[other] for other in direct[name])) for name in boxes}, boxes


def _list(upstream: Mapping[str, Sequence[str]], boxes: Mapping[str, Box]) -> list[Text]:
    order = sorted_tasks(upstream)
    direct = reduced(upstream, order)
    layers: dict[int, list[str]] = {}
    for name, layer in layers_of(direct, order).items():
        layers.setdefault(layer, []).append(name)
    digits = len(str(len(layers)))
    lines: list[Text] = []
    for layer, names in sorted(layers.items()):
        line = Text(f"{layer + 1:>{digits}}  ", "dim")
        for number, name in enumerate(names):
            line.append("   " if number else "").append(boxes[name].text, boxes[name].style)
        lines.append(line)
    return lines


def _notes(tasks: Sequence[Drawn], left_out: int, *more: str) -> list[Text]:
    seen = dict.fromkeys(state for task in tasks for state in task.states)
    legend = Text("  ").join(Text(f"{MARKS.get(state, '?')} {state}", STATE_STYLES.get(state, "")) for state in seen)
    notes = list(more)
    if left_out:
        notes.append(f"Arrows that follow from others are not drawn: {left_out}.")
    return [*([Text(), legend] if seen else []), *(Text(note, "dim") for note in notes)]
