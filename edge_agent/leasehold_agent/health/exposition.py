"""The Prometheus text exposition format, version 0.0.4, as far as the agent needs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric with its samples: a value for each set of labels."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: tuple[tuple[Mapping[str, str], float], ...]


def gauge(name: str, help_text: str, value: float | None) -> Metric:
    """Return a gauge with one sample; none while there is nothing to measure."""
    samples: tuple[tuple[Mapping[str, str], float], ...] = () if value is None else (({}, float(value)),)
    return Metric(name=name, kind="gauge", help=help_text, samples=samples)


def counter(name: str, help_text: str, value: float) -> Metric:
    """Return a counter with one sample."""
    return Metric(name=name, kind="counter", help=help_text, samples=(({}, float(value)),))


def exposition(metrics: Iterable[Metric]) -> str:
    """Return the text of all metrics."""
    return "".join(_text(metric) for metric in metrics)


def _text(metric: Metric) -> str:
    help_text = metric.help.replace("\\", "\\\\").replace("\n", "\\n")
    lines = [f"# HELP {metric.name} {help_text}", f"# TYPE {metric.name} {metric.kind}"]
    lines += [f"{metric.name}{_labels(labels)} {_number(value)}" for labels, value in metric.samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items()) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
