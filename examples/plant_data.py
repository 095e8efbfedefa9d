"""Makes the database of a small bottling plant: what `examples/sensor_report.py` reads at the site ``plant``.

    python examples/plant_data.py plant.db

Three days of readings, one every ten minutes for each sensor. The same every time: the noise comes from a seeded
generator, and the troubles (a pressure spike, a sensor that was off, a worn bearing) are written down below.
"""

from __future__ import annotations

import math
import random
import sqlite3
import sys
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

FIRST_DAY = date(2026, 11, 1)
DAYS = 3
MINUTES = range(0, 24 * 60, 10)

# sensor: (mean, swing over the day, noise)
SHAPES = {
    "boiler_temp": (82.0, 4.0, 0.8),
    "boiler_pressure": (2.0, 0.2, 0.05),
    "line_speed": (310.0, 60.0, 12.0),
    "tank_level": (60.0, 25.0, 1.0),
    "motor_vibration": (2.1, 0.5, 0.25),
    "hall_humidity": (50.0, 8.0, 1.5),
}


def rows() -> list[tuple[str, str, str, float]]:
    """Return (day, time, sensor, value) for every reading."""
    noise = random.Random(20261101)
    made: list[tuple[str, str, str, float]] = []
    for offset in range(DAYS):
        day = (FIRST_DAY + timedelta(days=offset)).isoformat()
        for minute in MINUTES:
            at = f"{minute // 60:02d}:{minute % 60:02d}"
            for sensor, (mean, swing, jitter) in SHAPES.items():
                value = mean + swing * math.sin(2 * math.pi * (minute / 1440 - 0.3)) + noise.gauss(0, jitter)
                made += [(day, at, sensor, round(changed, 3)) for changed in _trouble(offset, minute, sensor, value)]
    return made


def _trouble(day: int, minute: int, sensor: str, value: float) -> list[float]:
    """Return the reading as it was in the end: changed by a trouble, or missing."""
    match sensor:
        case "boiler_pressure" if day == 1 and 14 * 60 <= minute < 14 * 60 + 40:
            return [value + 0.9]  # the relief valve stuck
        case "motor_vibration" if day >= 1:
            return [value + 0.0016 * (minute + 1440 * (day - 1))]  # a bearing wears out
        case "hall_humidity" if day == 1 and 2 * 60 <= minute < 5 * 60:
            return []  # switched off
        case _:
            return [value]


def write(file: Path) -> int:
    """Write the database, replacing what is there, and return how many readings it has."""
    file.unlink(missing_ok=True)
    readings = rows()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE readings (day TEXT, at TEXT, sensor TEXT, value REAL)")
        database.executemany("INSERT INTO readings VALUES (?, ?, ?, ?)", readings)
        database.execute("CREATE INDEX by_day ON readings (day, at)")
    return len(readings)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/plant_data.py FILE")
    target = Path(sys.argv[1])
    print(f"{write(target)} readings are in {target}.")
