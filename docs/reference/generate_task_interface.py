"""Makes the page that compares the task interface with Airflow's, from ``task-interface.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROWS = Path(__file__).parent / "task-interface.json"
_INTRODUCTION = """\
# The task interface, beside Airflow's

What a running task may ask and tell: each message of Airflow's Task Execution Interface (3.3), and what there is here.
The calls are those of the [task protocol](task-protocol.md), so every language has them; the Python names are in
[sdk.md](sdk.md). Every row names a test that tries it.

| what | Airflow | here: Python | task protocol | test |
|---|---|---|---|---|
"""
_DIFFERENCES = """
## Where it differs

| what | why |
|---|---|
"""


def rows() -> list[dict[str, Any]]:
    """Return the rows; what is not there yet has ``waiting``."""
    found: list[dict[str, Any]] = json.loads(ROWS.read_text())
    return found


def page() -> str:
    """Return the page."""
    lines = "".join(_line(row) for row in rows())
    different = "".join(f"| {row['what']} | {row['why']} |\n" for row in rows() if row.get("why"))
    return _INTRODUCTION + lines + _DIFFERENCES + different


def _line(row: dict[str, Any]) -> str:
    airflow = ", ".join(f"`{name}`" for name in row["airflow"]) or "–"
    if row.get("waiting"):
        return f"| {row['what']} | {airflow} | not yet | – | – |\n"
    return f"| {row['what']} | {airflow} | {row['python'] or '–'} | {row['call'] or '–'} | `{row['test']}` |\n"
