"""Task metrics reach an OpenTelemetry collector: each point once if it can be, none lost, whatever it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from leasehold_api.config import SettingsError, load
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_attempts import SqlAttempts
from leasehold_api.storage.sql_leases import SqlLeases
from leasehold_api.storage.sql_metric_outbox import SqlMetricOutbox
from leasehold_api.telemetry import exporting
from leasehold_api.telemetry.exporting import MetricExporter, headers_in
from leasehold_api.telemetry.otlp import BOUNDS_S
from leasehold_protocol.v1.leases import EndingKind
from leasehold_protocol.v1.telemetry import MetricPoint
from tests.support.databases import open_database
from tests.support.otlp_receiver import Receiver, attributes, otlp_receiver
from tests.support.world import NORTH, NOW, World, outcome, program


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with otlp_receiver() as receiver:
        yield receiver


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    with open_database(request.param) as (opened, _):
        yield opened


@pytest.fixture
async def attempt(database: Database) -> str:
    """An attempt of the task ``extract`` at the site north, whose metrics are exported."""
    world = await World(database).settle()
    world.leases = SqlLeases(database, Plans(), exports_metrics=True)
    await world.run(program("extract"))
    (claimed,) = await world.claim()
    return claimed.attempt


def _point(seq: int, name: str, kind: str, value: float, **tags: str) -> MetricPoint:
    return MetricPoint.model_validate(
        {"seq": seq, "at": NOW + seq, "name": name, "kind": kind, "value": value, "tags": tags}
    )


async def _deliver(database: Database, attempt: str, *points: MetricPoint) -> None:
    await SqlAttempts(database, Plans(), exports_metrics=True).put_metrics(NORTH.agent_id, attempt, points)


def _exporter(
    database: Database, collector: Receiver, *, headers: Path | None = None, now: float = NOW
) -> MetricExporter:
    return MetricExporter(
        SqlMetricOutbox(database), endpoint=collector.url, headers_file=headers, interval_s=15, clock=lambda: now
    )


async def test_a_collector_gets_counters_gauges_and_timings(
    database: Database, collector: Receiver, attempt: str
) -> None:
    await _deliver(
        database,
        attempt,
        _point(1, "rows", "counter", 100, plant="north"),
        _point(2, "rows", "counter", 28, plant="north"),
        _point(3, "rows", "counter", 1, plant="south"),
        _point(4, "pressure", "gauge", 3.5),
        _point(5, "pressure", "gauge", -1.5),
        _point(6, "query", "timing", 0.25),
        _point(7, "query", "timing", 90_000),
    )

    await _exporter(database, collector).export()

    metrics = collector.metrics()
    north, south = metrics["rows"].sum.data_points
    assert (north.as_double, south.as_double) == (128, 1)
    assert attributes(north) == {
        "leasehold.team": "default", "leasehold.dag": "report", "leasehold.task": "extract",
        "leasehold.site": "north", "plant": "north",
    }  # fmt: skip
    assert (metrics["rows"].sum.is_monotonic, metrics["rows"].sum.aggregation_temporality) == (True, 1)
    assert (north.start_time_unix_nano, north.time_unix_nano) == (int(NOW + 1) * 10**9 - 10**6, int(NOW + 2) * 10**9)
    assert [point.as_double for point in metrics["pressure"].gauge.data_points] == [-1.5]
    (query,) = metrics["query"].histogram.data_points
    assert (query.count, query.sum, query.min, query.max) == (2, 90_000.25, 0.25, 90_000)
    assert tuple(query.explicit_bounds) == BOUNDS_S
    assert query.bucket_counts[BOUNDS_S.index(0.25)] == 1
    assert query.bucket_counts[-1] == 1
    assert metrics["query"].unit == "s"


async def test_a_point_is_sent_once_however_often_an_agent_delivers_it(
    database: Database, collector: Receiver, attempt: str
) -> None:
    exporter = _exporter(database, collector)
    await _deliver(database, attempt, _point(1, "rows", "counter", 5))
    await exporter.export()

    await _deliver(database, attempt, _point(1, "rows", "counter", 5), _point(2, "rows", "counter", 2))
    await exporter.export()
    await exporter.export()

    assert [collector.metrics(n)["rows"].sum.data_points[0].as_double for n in range(2)] == [5, 2]
    assert len(collector.bodies) == 2


async def test_what_comes_with_an_outcome_is_sent(database: Database, collector: Receiver) -> None:
    world = await World(database).settle()
    world.leases = SqlLeases(database, Plans(), exports_metrics=True)
    await world.run(program("extract"))
    (claimed,) = await world.claim()
    ended = outcome(claimed, EndingKind.SUCCESS, NOW)

    await world.leases.complete(
        NORTH, [ended.model_copy(update={"metrics": [_point(1, "rows", "counter", 5)]})], now=NOW
    )
    await _exporter(database, collector).export()

    assert collector.metrics()["rows"].sum.data_points[0].as_double == 5


async def test_while_a_collector_fails_the_same_batch_is_sent_again_and_then_the_rest(
    database: Database, collector: Receiver, attempt: str
) -> None:
    exporter = _exporter(database, collector)
    collector.answers = [(503, "{}"), (429, "{}")]
    await _deliver(database, attempt, _point(1, "rows", "counter", 5))

    await exporter.export()
    trouble = exporter.trouble
    await _deliver(database, attempt, _point(2, "rows", "counter", 2))
    await exporter.export()
    await exporter.export()

    assert trouble is not None
    assert "status 503" in trouble
    assert exporter.trouble is None
    assert collector.bodies[0] == collector.bodies[1] == collector.bodies[2]
    assert collector.metrics(3)["rows"].sum.data_points[0].as_double == 2


async def test_a_batch_survives_the_process_that_took_it(database: Database, collector: Receiver, attempt: str) -> None:
    collector.answers = [(503, "{}")]
    await _deliver(database, attempt, _point(1, "rows", "counter", 5))
    await _exporter(database, collector).export()

    await _exporter(database, collector, now=NOW + 30).export()
    before = len(collector.bodies)
    await _exporter(database, collector, now=NOW + 61).export()

    assert before == 1, "two processes must not export at the same time"
    assert collector.bodies[1] == collector.bodies[0]


async def test_a_collector_that_is_not_there_is_a_line_in_the_health(
    database: Database, collector: Receiver, attempt: str
) -> None:
    collector.url = "http://127.0.0.1:9"
    exporter = _exporter(database, collector)
    await _deliver(database, attempt, _point(1, "rows", "counter", 5))

    await exporter.export()

    assert "can't be reached" in str(exporter.trouble)
    assert await SqlMetricOutbox(database).take("new", most=10) is not None


async def test_what_a_collector_will_never_take_does_not_hold_up_the_rest(
    database: Database, collector: Receiver, attempt: str
) -> None:
    collector.answers = [(400, "not that")]
    await _deliver(database, attempt, _point(1, "rows", "counter", 5))

    await _exporter(database, collector).export()

    assert await SqlMetricOutbox(database).take("new", most=10) is None


async def test_the_oldest_points_are_given_up_when_too_many_wait(
    database: Database, collector: Receiver, attempt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MOST_WAITING", 3)
    monkeypatch.setattr(exporting, "BATCH_POINTS", 2)
    collector.answers = [(503, "{}")]
    await _deliver(database, attempt, *(_point(seq, "rows", "counter", seq) for seq in range(1, 8)))

    exporter = _exporter(database, collector)
    await exporter.export()
    await exporter.export()

    sums = [collector.metrics(n)["rows"].sum.data_points[0].as_double for n in range(len(collector.bodies))]
    assert sums == [1 + 2, 1 + 2, 5 + 6, 7]


async def test_without_a_collector_nothing_waits(database: Database) -> None:
    world = await World(database).settle()
    await world.run(program("extract"))
    (claimed,) = await world.claim()

    await world.attempts.put_metrics(NORTH.agent_id, claimed.attempt, [_point(1, "rows", "counter", 5)])

    assert await SqlMetricOutbox(database).take("new", most=10) is None


async def test_headers_come_from_the_file_at_each_request(
    database: Database, collector: Receiver, attempt: str, tmp_path: Path
) -> None:
    headers = tmp_path / "headers"
    headers.write_text("Authorization: Bearer one\n\nX-Scope: plants\n")
    await _deliver(database, attempt, _point(1, "rows", "counter", 5))

    await _exporter(database, collector, headers=headers).export()

    sent = collector.headers[0]
    assert (sent["authorization"], sent["x-scope"], sent["content-type"]) == (
        "Bearer one",
        "plants",
        "application/json",
    )


@pytest.mark.parametrize("text", ["open sesame", "a b: c", ": nothing", "x: ünter"])
def test_a_line_that_is_no_header_is_named_by_its_number_only(tmp_path: Path, text: str) -> None:
    file = tmp_path / "headers"
    file.write_text(f"X-Fine: yes\n{text}\n")

    with pytest.raises(ValueError, match=r"^line 2 is not written Name: value$"):
        headers_in(file)


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"otlp_endpoint": "collector:4318"}, "must be like"),
        ({"otlp_headers_file": "headers"}, "set both or none"),
        ({"otlp_endpoint": "http://collector:4318", "otlp_headers_file": "headers"}, "http:// is for loopback only"),
        ({"otlp_interval_s": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_can_not_be_are_named(flags: dict[str, object], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        load(flags)
