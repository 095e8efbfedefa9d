"""A database that never leaves its site: people's names stay where they are, numbers travel.

`clinic_db` is granted to one site only. Every task that names it runs there, and nobody else can: not at another site,
not by mistake. What a task returns is what leaves the site, so the first one returns counts, never rows. The letters
that need names are written at the site as well, into the database they came from.

    leasehold connections set clinic_db --conn-type sqlite --host /srv/clinic.db --site clinic
    leasehold deploy examples/stays_at_the_site.py
    leasehold runs trigger stays_at_the_site --watch
"""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager

from leasehold import Connection, dag, log, metrics, task


@contextmanager
def clinic() -> Generator[sqlite3.Connection]:
    """Open the site's own database, for one transaction."""
    with closing(sqlite3.connect(str(Connection.get("clinic_db").host))) as database, database:
        yield database


@task(connections=["clinic_db"])
def count_by_ward() -> dict[str, int]:
    """Return how many patients each ward has. Wards with fewer than three are left out: that would be names again."""
    with clinic() as database:
        rows = database.execute("SELECT ward, count(*) FROM patients GROUP BY ward HAVING count(*) >= 3").fetchall()
    return {str(ward): int(number) for ward, number in rows}


@task
def full_wards(counts: dict[str, int], beds: int) -> list[str]:
    """Return the wards that are nearly full. This needs no connection: it runs wherever there is room."""
    metrics.gauge("patients", sum(counts.values()))
    return sorted(ward for ward, number in counts.items() if number > 0.9 * beds)


@task(connections=["clinic_db"])
def write_letters(wards: list[str]) -> int:
    """Write a letter to everybody in these wards, at the site, and return how many."""
    with clinic() as database:
        database.execute("CREATE TABLE IF NOT EXISTS letters (patient TEXT PRIMARY KEY, text TEXT)")
        for ward in wards:
            # OR REPLACE: run twice, it has the same effect as run once.
            database.execute(
                "INSERT OR REPLACE INTO letters SELECT name, 'Full: ' || ward FROM patients WHERE ward = ?",
                (ward,),
            )
        (written,) = database.execute("SELECT count(*) FROM letters").fetchone()
    log.info("wrote letters", letters=written)  # a number: logs leave the site, too
    return int(written)


@dag
def stays_at_the_site(beds: int = 4) -> None:
    """Find the wards that are nearly full, and write to their patients."""
    write_letters(full_wards(count_by_ward(), beds))
