"""``python -m benchmarks.binary``: measure the binary in dist/edge-agent, print each figure beside its limit."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.__main__ import machine, show
from benchmarks.binary import service, sizes, starts
from benchmarks.figures import Figure

ROOT = Path(__file__).parents[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and return 0 when every limit is kept."""
    chosen = _parser().parse_args(argv)
    if subprocess.run([sys.executable, str(ROOT / "packaging/build.py"), "--if-changed"], check=False).returncode:
        return 2
    tree = ROOT / "dist/edge-agent"
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="leasehold-bench-") as directory:
        home = Path(directory)
        if not chosen.quick:
            figures += sizes.measure(tree, home)
        figures += starts.measure(tree, times=5 if chosen.quick else 20)
        for way in ("poll", "stream"):
            figures += service.measure(tree, home / way, way=way, idle_s=20 if chosen.quick else 120)
    if chosen.json:
        print(json.dumps({"machine": machine(), "figures": [figure.as_json() for figure in figures]}, indent=2))
    else:
        show(figures)
    return 0 if all(figure.aim is None or figure.aim.is_met_by(figure.value) for figure in figures) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.binary", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument("--quick", action="store_true", help="no packages, few repetitions, 20 idle seconds")
    return parser


if __name__ == "__main__":
    sys.exit(main())
