"""``python -m tests.system.lab``: many seeds, one after the other, with a summary (``make chaos``)."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.system.lab.checker import check
from tests.system.lab.laboratory import Laboratory, open_laboratory
from tests.system.lab.plan import plan


def main(argv: Sequence[str] | None = None) -> int:
    """Run the seeds; 1 when any of them broke the promise."""
    chosen = _parser().parse_args(argv)
    console = Console(stderr=True)
    broken: dict[int, list[str]] = {}
    counted: Counter[str] = Counter()
    began = time.monotonic()
    databases = [chosen.database] if chosen.database else ["sqlite", "postgresql"]
    with Progress(console=console) as progress:
        bar = progress.add_task("seeds", total=chosen.seeds)
        for part, database in enumerate(databases):
            seeds = range(chosen.seed + part, chosen.seed + chosen.seeds, len(databases))
            if not seeds:
                continue
            with (
                tempfile.TemporaryDirectory(prefix="leasehold-lab-", ignore_cleanup_errors=True) as home,
                open_laboratory(Path(home), database=database) as laboratory,
            ):
                laboratory.open()
                for seed in seeds:
                    if time.monotonic() - began > 60 * chosen.minutes:
                        break
                    counted["seeds"] += 1
                    broken |= _try(laboratory, seed, counted, chosen.keep)
                    for violation in broken.get(seed, []):
                        progress.console.print(f"seed {seed} on {database}: {violation}", markup=False)
                    progress.advance(bar)
    _show(console, counted, broken, time.monotonic() - began)
    return 1 if broken else 0


def _try(laboratory: Laboratory, seed: int, counted: Counter[str], keep: Path | None) -> dict[int, list[str]]:
    drawn = plan(seed)
    counted.update(f"{fault.does} {fault.what}" for fault in drawn.faults)
    try:
        history = laboratory.experiment(drawn)
    except AssertionError as error:
        laboratory.repair()
        violations = [str(error)]
    else:
        counted["task instances"] += len(history.instances)
        counted["attempts"] += sum(len(one.attempts) for one in history.instances)
        violations = check(history)
    if violations and keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        logs = [f"=== {name}\n{program.said()}" for name, program in laboratory.programs.items()]
        (keep / f"seed-{seed}.txt").write_text("\n".join([*violations, *map(str, drawn.faults), *logs]))
    return {seed: violations} if violations else {}


def _show(console: Console, counted: Counter[str], broken: dict[int, list[str]], took_s: float) -> None:
    table = Table(title=f"{counted['seeds']} seeds in {took_s:.0f} s", title_justify="left")
    table.add_column("what")
    table.add_column("times", justify="right")
    for name, times in sorted(counted.items()):
        table.add_row(name, str(times))
    table.add_row("seeds that broke the promise", str(len(broken)), style="red" if broken else "green")
    console.print(table)
    for seed in broken:
        console.print(f"again: SEED={seed} make chaos SEEDS=1", style="red")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.system.lab", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="how many experiments")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED", "1")), help="the first one's seed")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only this one; else in turn")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no more after so long")
    parser.add_argument("--keep", type=Path, help="a folder for the programs' logs of seeds that broke the promise")
    return parser


if __name__ == "__main__":
    sys.exit(main())
