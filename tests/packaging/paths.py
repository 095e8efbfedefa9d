"""Where the tests of the binary find the repository, and an environment without any programs."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
NO_PROGRAMS = {"PATH": "/nonexistent"}
