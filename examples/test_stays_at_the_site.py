"""What leaves the site is what tasks return, log and measure; no name is in it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from stays_at_the_site import count_by_ward, stays_at_the_site

from leasehold import errors
from leasehold.testing import run, run_task

PATIENTS = [("ward 1", f"patient {number}") for number in range(4)] + [("ward 2", "somebody alone")]


@pytest.fixture
def clinic_db(tmp_path: Path) -> Path:
    """The site's database."""
    file = tmp_path / "clinic.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE patients (ward TEXT, name TEXT)")
        database.executemany("INSERT INTO patients VALUES (?, ?)", PATIENTS)
    return file


def test_letters_are_written_at_the_site_and_numbers_leave_it(clinic_db: Path) -> None:
    result = run(stays_at_the_site, connections={"clinic_db": {"conn_type": "sqlite", "host": str(clinic_db)}})

    left = [str(task.xcoms) + str(task.log) for task in result.tasks.values()]
    assert result.tasks["write_letters"].result == 4
    assert not any(name in text for text in left for _, name in PATIENTS)


def test_another_site_can_not_run_it() -> None:
    with pytest.raises(errors.NotGrantedError):
        run_task(count_by_ward, connections={"clinic_db": errors.NotGrantedError("granted to the clinic only")})
