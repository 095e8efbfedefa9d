"""What it brings to combine writes that wait into one transaction, on both databases."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from unittest import mock

from sqlalchemy import Column, Integer, MetaData, Table, Text, insert

from benchmarks.figures import Figure, Floor
from benchmarks.floors import Floors
from leasehold_api.storage import writer
from leasehold_api.storage.database import make_engine
from leasehold_api.storage.writer import Transaction, Writer
from tests.support.databases import fresh_postgresql

CALLERS = 64
ROWS = Table("bench_rows", MetaData(), Column("id", Integer, primary_key=True), Column("text", Text))


def measure(home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Measure each database, first with one transaction per write."""
    home.mkdir()
    writes = 500 if quick else 4000
    figures = _figures(f"sqlite:///{home / 'writes.db'}", "SQLite", writes, floors)
    with fresh_postgresql() as url:
        return figures + _figures(url, "PostgreSQL", writes, None)


def _figures(url: str, name: str, writes: int, floors: Floors | None) -> list[Figure]:
    with mock.patch.object(writer, "MOST_PER_COMMIT", 1):
        alone = asyncio.run(_rate(url, writes))
    combined = asyncio.run(_rate(url, writes))
    floor = Floor(name="commits per second", value=1000 / floors.commit_ms) if floors else None
    note = f"{CALLERS} callers at once"
    return [
        Figure(name=f"writes on {name}, one by one", value=alone, unit="writes/s", floor=floor, note=note),
        Figure(
            name=f"writes on {name}, combined",
            value=combined,
            unit="writes/s",
            floor=Floor(name="one by one", value=alone),
            note=note,
        ),
    ]


async def _rate(url: str, writes: int) -> float:
    engine = make_engine(url)
    ROWS.metadata.drop_all(engine)
    ROWS.metadata.create_all(engine)
    writing = Writer(engine, on_commit=lambda _signals: None)
    try:
        await _write(writing, CALLERS)
        began = time.perf_counter()
        await asyncio.gather(*(_write(writing, writes // CALLERS) for _ in range(CALLERS)))
        return writes // CALLERS * CALLERS / (time.perf_counter() - began)
    finally:
        writing.close()
        engine.dispose()


async def _write(writing: Writer, times: int) -> None:
    for _ in range(times):
        await writing.write(_insert)


def _insert(transaction: Transaction) -> None:
    transaction.run(insert(ROWS), {"text": "x" * 200})
