"""Metrics of a real task reach a collector through a real API, also after the collector was away."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.support.otlp_receiver import attributes, otlp_receiver
from tests.system.place import open_place
from tests.system.programs import until

SOURCE = """\
from leasehold import dag, metrics, task


@task
def measure():
    metrics.count("rows", 100, plant="north")
    metrics.count("rows", 28, plant="north")
    with metrics.timer("query"):
        pass


@dag
def measured():
    measure()
"""


def test_a_collector_that_was_away_gets_each_measurement_once(tmp_path: Path) -> None:
    with otlp_receiver() as collector, open_place(tmp_path) as place:
        collector.answers = [(503, "{}")]
        place.serve(more={"LEASEHOLD_API_OTLP_ENDPOINT": collector.url, "LEASEHOLD_API_OTLP_INTERVAL_S": "1"})
        place.make_site("north")
        place.enroll("north", "north-1")
        place.start_agent("north-1")
        place.deploy("measured", SOURCE)

        run = place.run_dag("measured")
        until(lambda: len(collector.bodies) == 2, "the batch is sent again")
        health = until(lambda: _trouble(place.url) is None and "healthy", "the health says so")

        assert (run["state"], health) == ("success", "healthy")
        assert collector.bodies[0] == collector.bodies[1]
        (rows,) = collector.metrics()["rows"].sum.data_points
        assert rows.as_double == 128
        assert attributes(rows) == {
            "leasehold.team": "default", "leasehold.dag": "measured", "leasehold.task": "measure",
            "leasehold.site": "north", "plant": "north",
        }  # fmt: skip
        assert collector.metrics()["query"].histogram.data_points[0].count == 1
        shown = place.command("leasehold", "runs", "metrics", run["run"])
        assert "p95" in shown
        assert "128" in shown


def test_a_collector_that_is_not_there_stops_nothing_and_is_named_in_the_health(tmp_path: Path) -> None:
    with open_place(tmp_path) as place:
        more = {"LEASEHOLD_API_OTLP_ENDPOINT": "http://127.0.0.1:9", "LEASEHOLD_API_OTLP_INTERVAL_S": "1"}
        place.serve(more=more)
        place.make_site("north")
        place.enroll("north", "north-1")
        place.start_agent("north-1")
        place.deploy("measured", SOURCE)

        run = place.run_dag("measured")

        assert run["state"] == "success"
        assert "can't be reached" in until(lambda: _trouble(place.url), "the health says so")


def _trouble(url: str) -> str | None:
    told: str | None = httpx.get(f"{url}/healthz", trust_env=False).json()["metrics_export"]
    return told
