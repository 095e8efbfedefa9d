"""A DAG drawn in the terminal: every arrow can be followed, states and counts are seen, large ones stay readable."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import respx
from rich.console import Console

from leasehold.cli.graph.drawing import Box, Drawing
from leasehold.cli.graph.layers import place
from leasehold.cli.graph.picture import Drawn, picture
from leasehold_protocol.v1.runs import RunState, TaskState
from tests.cli.answers import a_run, a_task, said
from tests.cli.conftest import Leasehold

STEPS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
OPEN = {
    "─": ("left", "right"), "│": ("up", "down"), "╭": ("down", "right"), "╮": ("down", "left"), "╰": ("up", "right"),
    "╯": ("up", "left"), "├": ("up", "down", "right"), "┤": ("up", "down", "left"), "┬": ("down", "left", "right"),
    "┴": ("up", "left", "right"), "┼": ("up", "down", "left", "right"),
}  # fmt: skip
BACK = {"up": "down", "down": "up", "left": "right", "right": "left"}


def drawn(upstream: Mapping[str, Sequence[str]]) -> list[str]:
    boxes = {name: Box(text=name) for name in upstream}
    return [line.plain for line in Drawing(place(upstream), boxes, longest=40).lines()]


def reached(lines: list[str], name: str) -> set[str]:
    """Follow the lines that go out of a task with a finger, never backwards, and return the tasks they lead to."""
    cells = {(row, column): sign for row, line in enumerate(lines) for column, sign in enumerate(line)}
    words = [(row, match.start(), match[0]) for row, line in enumerate(lines) for match in re.finditer(r"\w+", line)]
    at = {word: (row, column) for row, column, word in words}
    ends = {place: name for name, place in at.items()}
    row, column = at[name]
    found: set[str] = set()
    waiting = [((row, column + len(name) + 1), "right")]
    seen = set()
    while waiting:
        place_, way = waiting.pop()
        if (place_, way) in seen:
            continue
        seen.add((place_, way))
        sign = cells.get(place_, " ")
        if sign not in OPEN:
            if place_ in ends:
                found.add(ends[place_])
            elif way == "right" and (place_[0], place_[1] + 1) in ends:
                found.add(ends[place_[0], place_[1] + 1])
            continue
        ways = OPEN[sign] if BACK[way] in OPEN[sign] else (way,)  # below a line that crosses
        for other in ways:
            if other not in (BACK[way], "left"):
                step = STEPS[other]
                waiting.append(((place_[0] + step[0], place_[1] + step[1]), other))
    return found


@pytest.mark.parametrize("seed", range(25))
def test_every_arrow_can_be_followed_to_its_task(seed: int) -> None:
    dice = random.Random(seed)
    names = [f"t{number:02d}" for number in range(dice.randint(2, 14))]
    upstream = {name: [other for other in names[:place] if dice.random() < 0.25] for place, name in enumerate(names)}
    lines = drawn(upstream)

    direct = place(upstream)
    for name in names:
        wanted = {
            target for (source, layer), afters in direct.after.items() if source == name for target, _ in afters
        } - {name}
        assert wanted <= reached(lines, name), "\n".join(lines)


@pytest.mark.parametrize(
    ("upstream", "lines"),
    [
        ({"read": [], "sum": ["read"], "store": ["sum", "read"]}, ["read ─── sum ─── store"]),
        (
            {"a": [], "b": [], "c": ["a", "b"], "d": ["a", "b"]},
            ["a ──┬── c", "b ──┴── d"],
        ),
        (
            {"a": [], "long": ["a"], "b": ["long"], "c": ["a"], "d": ["b", "c"]},
            ["    ╭── long ─── b ──╮", "a ──┴── c ───────────┴── d"],
        ),
    ],
)  # fmt: skip
def test_small_dags_look_like_this(upstream: dict[str, list[str]], lines: list[str]) -> None:
    assert [line.rstrip() for line in drawn(upstream)] == lines


def test_lines_that_only_cross_do_not_meet() -> None:
    lines = drawn({"s": [], "t": [], "u": [], "x": ["t", "u"], "y": ["s", "u"], "z": ["s", "t"]})

    assert any("─│─" in line for line in lines)


def shown(tasks: list[Drawn], width: int = 120) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(picture(tasks, width=width))
    return out.getvalue()


def test_an_expanded_task_is_one_with_its_counts() -> None:
    states = ("success",) * 7 + ("failed",) * 2 + ("running",)

    text = shown(
        [Drawn(name="list", upstream=(), states=("success",)), Drawn(name="load", upstream=("list",), states=states)]
    )

    assert "✓ list ─── ✗ load 7/10 ✗2" in text
    assert "✓ success  ✗ failed  ▶ running" in text


def test_many_alike_are_drawn_as_one() -> None:
    loads = [Drawn(name=f"load_{number}", upstream=("list",), states=("queued",)) for number in range(500)]
    tasks = [Drawn(name="list", upstream=(), states=("success",)), *loads]

    text = shown([*tasks, Drawn(name="join", upstream=tuple(one.name for one in loads), states=("none",))])

    assert "✓ list ─── ○ load_0 and 499 others 0/500 ─── · join" in text


def test_what_is_too_wide_becomes_a_list_of_layers() -> None:
    chain = [Drawn(name=f"step_{n}", upstream=(f"step_{n - 1}",) if n else ()) for n in range(500)]

    text = shown(chain)

    assert "  1  step_0\n  2  step_1\n" in text
    assert "too wide to be drawn" in text


def test_names_are_cut_before_a_drawing_is_given_up() -> None:
    names = [f"a_task_with_quite_a_long_name_{n}" for n in range(4)]
    tasks = [Drawn(name=name, upstream=tuple(names[place - 1 : place])) for place, name in enumerate(names)]

    text = shown(tasks, width=100)

    assert "a_task_with_qui… ───" in text


def test_a_run_is_drawn_with_its_states(author: Leasehold, api: respx.Router) -> None:
    done = a_task("read", TaskState.SUCCESS, attempts=1)
    waits = a_task("sum", TaskState.NONE).model_copy(update={"upstream": ["read"]})
    api.get("/v1/teams/default/runs/run-1").mock(return_value=said(a_run(RunState.RUNNING, done, waits)))

    ended = author("runs", "show", "run-1", "--graph")

    assert "✓ read ─── · sum" in ended.out


def test_a_file_is_drawn_without_an_api(leasehold: Leasehold, tmp_path: Path) -> None:
    file = tmp_path / "flow.py"
    file.write_text(
        "from leasehold import dag, shell\n@dag\ndef flow(): shell('true', id='a') >> shell('true', id='b')\n"
    )

    ended = leasehold("dags", "graph", str(file))

    assert "a (shell) ─── b (shell)" in ended.out
    assert leasehold("dags", "graph", str(file), "--dag", "flo").code == 2
