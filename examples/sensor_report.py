"""A report on one day of a plant's sensors: the example to read first.

Three things come together here. A list of the plant's sensors travels with the code (``data/sensors.csv``). The
readings are in a database that only the plant itself can reach. The finished report is kept in an archive at another
place. Nothing below says *where* a task runs: a task names the connections it needs, an admin said which sites reach
them, and that decides. What needs no connection runs wherever there is room.

    leasehold check examples/sensor_report.py      finds mistakes, sends nothing
    leasehold deploy examples/sensor_report.py     sends this file and its data
    leasehold runs trigger sensor_report --watch   runs it
"""

import csv
import sqlite3
from contextlib import closing
from pathlib import Path
from statistics import fmean, stdev

from leasehold import Connection, Variable, context, dag, log, metrics, shell, task

CATALOGUE = Path(__file__).parent / "data" / "sensors.csv"


@task
def read_catalogue() -> dict[str, dict[str, str]]:
    """Return what is known about each sensor, from the file that came along with this code.

    What a task returns may be anything that JSON can say. Tasks that take it as an argument get it, at whatever site
    they run.
    """
    with CATALOGUE.open(encoding="utf-8", newline="") as file:
        sensors = {row["sensor"]: row for row in csv.DictReader(file)}
    log.info("read the catalogue", sensors=len(sensors))
    return sensors


@task(connections=["plant_db"], retries=2, retry_delay="1s", timeout="2m")
def read_readings(day: str, *, rehearse_failure: bool) -> dict[str, list[float]]:
    """Return the day's readings, by sensor.

    ``plant_db`` is granted to the plant only, so this runs there. ``Connection.get`` hands over the connection that
    the admin set; its secrets, if it had any, would be masked in the log.

    When it fails it is tried again, twice at most, one second apart. ``rehearse_failure`` makes the first try fail,
    to show what that looks like.
    """
    if rehearse_failure and context().try_number == 1:
        log.warning("this try fails on purpose", try_number=1)
        raise ConnectionError("the plant's database does not answer (a rehearsal; the next try will work)")
    plant = Connection.get("plant_db")
    with metrics.timer("query"), closing(sqlite3.connect(f"file:{plant.host}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT sensor, value FROM readings WHERE day = ? ORDER BY at", (day,)).fetchall()
    readings: dict[str, list[float]] = {}
    for sensor, value in rows:
        readings.setdefault(sensor, []).append(value)
        metrics.count("rows", sensor=sensor)
    log.info("read the plant's database", day=day, rows=len(rows), sensors=len(readings))
    return readings


@task(variables=["sensor_report/tolerance"])
def summarise(catalogue: dict[str, dict[str, str]], readings: dict[str, list[float]]) -> list[dict[str, object]]:
    """Return one line per sensor: its statistics, and how often it was outside its limits.

    Both arguments are other tasks' results; this task waits for both. How far outside still counts as inside is a
    variable, because the people at the plant change it without touching the code.
    """
    tolerance = float(Variable.get("sensor_report/tolerance", default=0))
    lines: list[dict[str, object]] = []
    for sensor, known in catalogue.items():
        values = [value + float(known["calibration"]) for value in readings.get(sensor, [])]
        if len(values) < 2:
            log.error("hardly any readings", sensor=sensor, readings=len(values))
            continue
        low, high = float(known["low"]) - tolerance, float(known["high"]) + tolerance
        outside = sum(not low <= value <= high for value in values)
        if outside:
            log.warning("outside its limits", sensor=known["name"], readings=outside, worst=round(max(values), 2))
        metrics.gauge("mean", fmean(values), sensor=sensor)
        lines.append(
            {
                "sensor": sensor,
                "unit": known["unit"],
                "readings": len(values),
                "mean": round(fmean(values), 2),
                "stdev": round(stdev(values), 3),
                "least": round(min(values), 2),
                "most": round(max(values), 2),
                "outside": outside,
            }
        )
    return lines


@task(connections=["report_archive"])
def file_report(day: str, lines: list[dict[str, object]], checksum: str) -> dict[str, object]:
    """Keep the report in the archive and return it in short.

    A task may be run again: after a retry, or because its site lost power just after the work was done. Written with
    ``INSERT OR REPLACE`` the archive is the same after one run and after two.
    """
    archive = Connection.get("report_archive")
    with closing(sqlite3.connect(str(archive.host))) as database, database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS reports (day TEXT, sensor TEXT, mean REAL, outside INTEGER, checksum TEXT,"
            " PRIMARY KEY (day, sensor))"
        )
        database.executemany(
            "INSERT OR REPLACE INTO reports VALUES (?, ?, ?, ?, ?)",
            [(day, line["sensor"], line["mean"], line["outside"], checksum) for line in lines],
        )
        (kept,) = database.execute("SELECT count(*) FROM reports").fetchone()
    log.info("filed the report", day=day, lines=len(lines), lines_in_archive=kept)
    return {
        "day": day,
        "sensors": len(lines),
        "readings": sum(int(str(line["readings"])) for line in lines),
        "alarms": {str(line["sensor"]): line["outside"] for line in lines if line["outside"]},
        "checksum": checksum,
    }


@dag(include=["data/sensors.csv"])
def sensor_report(day: str = "2026-11-02", rehearse_failure: bool = False) -> None:
    """Read a plant's sensors, compare them with their limits, file a report.

    The parameters of this function are the parameters of a run: ``leasehold runs trigger sensor_report --param
    day=2026-11-03``. The body only says what depends on what; it runs when the file is deployed, not where the tasks
    run.
    """
    lines = summarise(read_catalogue(), read_readings(day, rehearse_failure=rehearse_failure))
    # A step may be any program. What it prints last is its result; results come in through its environment, where no
    # quoting can go wrong.
    checksum = shell(
        'echo "checking a report of ${#REPORT} characters" >&2; printf %s "$REPORT" | cksum | cut -d " " -f 1',
        id="checksum",
        env={"REPORT": lines},
    )
    file_report(day, lines, checksum)
