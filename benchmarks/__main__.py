"""``python -m benchmarks``: measure, and print each figure beside the floor of the same run (``make bench``)."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import (
    backlog,
    calls,
    chain,
    checking,
    claims,
    environments,
    floors,
    identity,
    links,
    mapping,
    starting,
    throughput,
    wire,
    writes,
)
from benchmarks.figures import Figure

PARTS: dict[str, Callable[..., list[Figure]]] = {
    "backlog": backlog.measure,
    "calls": calls.measure,
    "chain": chain.measure,
    "claims": claims.measure,
    "environments": environments.measure,
    "check": checking.measure,
    "identity": identity.measure,
    "links": links.measure,
    "mapping": mapping.measure,
    "starting": starting.measure,
    "throughput": throughput.measure,
    "wire": wire.measure,
    "writes": writes.measure,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what was asked for, and print it."""
    chosen = _parser().parse_args(argv)
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="leasehold-bench-") as directory:
        home = Path(directory)
        with console.status("floors"):
            measured = floors.measure(home, quick=chosen.quick)
        figures = measured.figures()
        for name in chosen.only or PARTS:
            with console.status(name):
                figures += PARTS[name](home / name, measured, quick=chosen.quick)
    if chosen.json:
        print(json.dumps({"machine": machine(), "figures": [figure.as_json() for figure in figures]}, indent=2))
    else:
        show(figures)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="measure this part; may be repeated")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, no idle minutes: for a first look")
    return parser


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    table = Table(title=f"Measured on {machine()}", title_justify="left")
    for heading in ("figure", "value", "", "floor", "ratio", "aim", "how"):
        table.add_column(heading, justify="right" if heading in {"value", "ratio", "aim"} else "left")
    for figure in figures:
        table.add_row(*_cells(figure))
    Console(width=None if sys.stdout.isatty() else 180).print(table)


def _cells(figure: Figure) -> list[str]:
    floor = f"{figure.floor.name} ({_number(figure.floor.value)})" if figure.floor else ""
    ratio = f"{figure.ratio:.1f}" if figure.ratio is not None else ""
    return [figure.name, _number(figure.value), figure.unit, floor, ratio, _aim(figure), figure.note]


def _aim(figure: Figure) -> str:
    if figure.aim is None:
        return ""
    sign, met = "≤" if figure.aim.at_most else "≥", figure.aim.is_met_by(figure.value)
    return f"[{'green' if met else 'red'}]{sign} {figure.aim.value:g} {'PASS' if met else 'missed'}[/]"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 10 else f"{value:.1f}"


def machine() -> str:
    """Return what kind of machine this is."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
