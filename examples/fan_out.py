"""Fan-out over files: one task instance for each file that is there, however many; then one task over all of them.

What `find` returns decides how many instances `inspect` has. They run side by side, each with its own log, tries and
name; when one fails, the others go on, and `runs retry` takes up that one.

    leasehold connections set meters --conn-type file --host /srv/meters --site plant
    leasehold deploy examples/fan_out.py
    leasehold runs trigger fan_out --watch
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TypedDict

from leasehold import Connection, dag, log, metrics, task


class Meter(TypedDict):
    """What is known of one meter after its file was read."""

    meter: str
    rows: int
    mean: float


@task(connections=["meters"])
def find() -> list[str]:
    """Return the names of the files that there are."""
    folder = Path(str(Connection.get("meters").host))
    files = sorted(path.name for path in folder.glob("*.csv"))
    log.info("found files", count=len(files))
    return files


@task(connections=["meters"], retries=2, map_index_template="{{ item.file }}")
def inspect(file: str, *, column: str) -> Meter:
    """Return one file in three facts."""
    path = Path(str(Connection.get("meters").host)) / file
    with path.open(encoding="utf-8", newline="") as lines:
        values = [float(row[column]) for row in csv.DictReader(lines)]
    metrics.count("rows", len(values), meter=path.stem)
    return {"meter": path.stem, "rows": len(values), "mean": round(fmean(values), 2)}


@task
def compare(meters: Sequence[Meter]) -> dict[str, object]:
    """Return the meter that is furthest from the others, and how many rows there were in all."""
    middle = fmean(each["mean"] for each in meters)
    odd = max(meters, key=lambda each: abs(each["mean"] - middle))
    return {"odd": odd["meter"], "rows": sum(each["rows"] for each in meters)}


@dag
def fan_out(column: str = "kwh") -> None:
    """Look at each meter's file, then at all of them."""
    compare(inspect.partial(column=column).expand(file=find()))
