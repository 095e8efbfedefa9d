"""Measurements of tasks as OpenTelemetry metrics: OTLP/JSON (opentelemetry-proto, metrics/v1). Pure.

Equal points give equal bytes, so that a batch that is sent again can be told by whoever receives it: times are those of
the points, never of the sending.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)
"""Upper bounds of a timing's buckets: from a query to a night's work."""

_DELTA = 1
_BEFORE_NS = 1_000_000
"""How long before its first point an interval begins: of one point it would have no length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One point of one task, with what it is told apart by."""

    name: str
    kind: str
    """``counter``, ``gauge`` or ``timing``."""
    value: float
    at: float
    """Seconds since 1970."""
    team: str
    dag: str
    task: str
    site: str
    tags: Mapping[str, str]


_Stream = tuple[tuple[str, str], ...]


def document(points: Sequence[Measured], *, version: str) -> dict[str, Any]:
    """Return an ``ExportMetricsServiceRequest``; points are in the order in which they were measured."""
    by_metric: defaultdict[tuple[str, str], defaultdict[_Stream, list[Measured]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for point in points:
        by_metric[point.name, point.kind][_stream(point)].append(point)
    metrics = [_metric(name, kind, streams) for (name, kind), streams in sorted(by_metric.items())]
    resource = {"attributes": _attributes([("service.name", "leasehold"), ("service.version", version)])}
    scope = {"scope": {"name": "leasehold.tasks"}, "metrics": metrics}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]}


def _stream(point: Measured) -> _Stream:
    own = {f"leasehold.{name}": getattr(point, name) for name in ("team", "dag", "task", "site")}
    return tuple(sorted({**point.tags, **own}.items()))


def _metric(name: str, kind: str, streams: Mapping[_Stream, list[Measured]]) -> dict[str, Any]:
    ordered = sorted(streams.items())
    match kind:
        case "counter":
            data = [
                {**_interval(stream, points), "asDouble": sum(p.value for p in points)} for stream, points in ordered
            ]
            rises = all(point.value >= 0 for points in streams.values() for point in points)
            return {"name": name, "sum": {"dataPoints": data, "aggregationTemporality": _DELTA, "isMonotonic": rises}}
        case "timing":
            data = [{**_interval(stream, points), **_distribution(points)} for stream, points in ordered]
            return {"name": name, "unit": "s", "histogram": {"dataPoints": data, "aggregationTemporality": _DELTA}}
        case _:
            data = [_last(stream, points) for stream, points in ordered]
            return {"name": name, "gauge": {"dataPoints": data}}


def _last(stream: _Stream, points: Sequence[Measured]) -> dict[str, Any]:
    newest = max(points, key=lambda point: point.at)
    return {"attributes": _attributes(stream), "timeUnixNano": str(_ns(newest.at)), "asDouble": newest.value}


def _interval(stream: _Stream, points: Sequence[Measured]) -> dict[str, Any]:
    times = [_ns(point.at) for point in points]
    return {
        "attributes": _attributes(stream),
        "startTimeUnixNano": str(min(times) - _BEFORE_NS),
        "timeUnixNano": str(max(times)),
    }


def _distribution(points: Sequence[Measured]) -> dict[str, Any]:
    values = [point.value for point in points]
    counts = [0] * (len(BOUNDS_S) + 1)
    for value in values:
        counts[bisect_left(BOUNDS_S, value)] += 1  # a bucket has its upper bound inside
    return {
        "count": str(len(values)),
        "sum": sum(values),
        "min": min(values),
        "max": max(values),
        "bucketCounts": [str(count) for count in counts],
        "explicitBounds": list(BOUNDS_S),
    }


def _attributes(pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in pairs]


def _ns(seconds: float) -> int:
    return round(seconds * 1e6) * 1000
