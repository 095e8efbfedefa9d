"""How a DAG is tested: ``pytest examples`` runs this, with no agent and no API.

``leasehold.testing.run`` runs a whole DAG in this process, by the rules of a site: what a task did not declare it does
not get, what can't travel between tasks fails, retries are spent (without waiting). ``run_task`` tries one task.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import plant_data
import pytest
from sensor_report import read_readings, sensor_report, summarise

from leasehold import Connection, errors
from leasehold.testing import run, run_task


@pytest.fixture
def plant(tmp_path: Path) -> Connection:
    """The plant's database, as small as the test needs it."""
    plant_data.write(tmp_path / "readings.db")
    return Connection(conn_type="sqlite", host=str(tmp_path / "readings.db"))


@pytest.fixture
def archive(tmp_path: Path) -> Connection:
    """An archive that nothing was filed in yet."""
    return Connection(conn_type="sqlite", host=str(tmp_path / "archive.db"))


def test_the_report_is_filed(plant: Connection, archive: Connection) -> None:
    result = run(
        sensor_report,
        connections={"plant_db": plant, "report_archive": archive},
        variables={"sensor_report/tolerance": 0.05},
    )

    filed = result.tasks["file_report"].result
    with closing(sqlite3.connect(str(archive.host))) as database:
        (kept,) = database.execute("SELECT count(*) FROM reports").fetchone()
    assert kept == filed["sensors"]
    assert "outside its limits" in result.tasks["summarise"].log
    assert sum(result.tasks["read_readings"].measured("rows")) == filed["readings"]


def test_a_database_that_is_asleep_is_asked_again(plant: Connection) -> None:
    result = run(
        sensor_report, params={"rehearse_failure": True}, connections={"plant_db": plant}, only=["read_readings"]
    )

    assert result.tasks["read_readings"].tries == 2


def test_a_sensor_without_readings_is_named_and_left_out() -> None:
    catalogue = {"T1": {"name": "boiler", "calibration": "0", "low": "1", "high": "2", "unit": "bar"}}

    found = run_task(summarise, catalogue, {}, variables={"sensor_report/tolerance": 0})

    assert found.result == []
    assert "hardly any readings" in found.log


def test_without_a_grant_the_plant_stays_closed() -> None:
    with pytest.raises(errors.NotGrantedError):
        run_task(
            read_readings,
            "2026-11-02",
            rehearse_failure=False,
            connections={"plant_db": errors.NotGrantedError("the plant grants it to its own site only")},
        )
