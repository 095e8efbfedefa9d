"""A sensor that waits: reads a file once another system has finished writing it.

Nobody knows when the export will be there, and a file that is there may still be growing. The sensor looks, goes away,
and looks again: between two looks it takes no slot and no process, and what it saw last is kept with its task state.

    leasehold connections set drop_folder --conn-type file --host /srv/exports --site plant
    leasehold deploy examples/wait_for_export.py
    leasehold runs trigger wait_for_export --param day=2026-11-22 --watch
"""

import csv
from pathlib import Path

from leasehold import Connection, dag, log, metrics, state, task


@task.sensor(connections=["drop_folder"], poke_every="2s", timeout="12h", exponential=True)
def export_is_complete(day: str) -> str | None:
    """Return the export's path once two looks in a row have seen it at the same size; None: look again later."""
    file = Path(str(Connection.get("drop_folder").host)) / f"export-{day}.csv"
    size = file.stat().st_size if file.exists() else None
    seen_before = state.get("size")
    state.set("size", size)
    log.info("looked for the export", file=file.name, bytes=size, before=seen_before)
    return str(file) if size is not None and size == seen_before else None


@task(connections=["drop_folder"], retries=1)
def total(path: str) -> dict[str, float]:
    """Return the sum of each article. The file is where it was found, so this runs at the same site."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    sums: dict[str, float] = {}
    for row in rows:
        sums[row["article"]] = sums.get(row["article"], 0.0) + float(row["pieces"])
    metrics.gauge("rows", len(rows))
    return sums


@dag
def wait_for_export(day: str = "{{ ds }}") -> None:
    """Wait for the day's export, then add it up."""
    path = export_is_complete(day)
    assert path is not None  # to a type checker: the task ends when the path is there
    total(path)
