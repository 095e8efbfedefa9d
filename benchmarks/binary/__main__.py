"""``python -m benchmarks.binary``: measure the binary in dist/edge-agent, print each figure beside its limit."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks import floors
from benchmarks.__main__ import machine, show
from benchmarks.binary import idle, ready, sizes, starts, tasks
from benchmarks.figures import Figure

ROOT = Path(__file__).parents[2]
PARTS: dict[str, Callable[..., list[Figure]]] = {
    "sizes": sizes.measure,
    "starts": starts.measure,
    "ready": ready.measure,
    "tasks": tasks.measure,
    "idle": idle.measure,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and return 0 when every limit is kept."""
    chosen = _parser().parse_args(argv)
    build = [sys.executable, str(ROOT / "packaging/build.py"), "--if-changed"]
    if subprocess.run(build, stdout=sys.stderr, check=False).returncode:
        return 2
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="leasehold-bench-") as directory:
        home = Path(directory)
        with console.status("floors"):
            measured = floors.measure(home, quick=chosen.quick)
        figures = measured.figures()
        for name in chosen.only or PARTS:
            with console.status(name):
                figures += PARTS[name](ROOT / "dist/edge-agent", home / name, measured, quick=chosen.quick)
    if chosen.json:
        print(json.dumps({"machine": machine(), "figures": [figure.as_json() for figure in figures]}, indent=2))
    else:
        show(figures)
    missed = [figure.name for figure in figures if figure.aim is not None and not figure.aim.is_met_by(figure.value)]
    if missed:
        sys.stderr.write(f"missed: {'; '.join(missed)}\n")
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.binary", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="measure this part; may be repeated")
    parser.add_argument("--quick", action="store_true", help="few repetitions, 20 idle seconds: for a first look")
    return parser


if __name__ == "__main__":
    sys.exit(main())
