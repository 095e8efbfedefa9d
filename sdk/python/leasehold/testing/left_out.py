"""Tasks that a test leaves out: what the others take from them has to be given."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches

from leasehold.authoring.graph import Graph
from leasehold.runtime.in_memory.host import RESULT_KEY
from leasehold.runtime.values import encode


def given_results(graph: Graph, results: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """Return task → key → encoded value from ``{"read": [1, 2], "read/late": []}``.

    Raises:
        ValueError: if the DAG has no such task.
        ValueNotSupportedError: if a value can't travel.
    """
    given: dict[str, dict[str, object]] = {}
    for name, value in results.items():
        task, _, key = name.partition("/")
        given.setdefault(task, {})[key or RESULT_KEY] = encode(value, f'results["{name}"]')
    _check_names(graph, "results", given)
    return given


def check_only(graph: Graph, only: Collection[str] | None, given: Mapping[str, Mapping[str, object]]) -> None:
    """Check that tasks that run take nothing from tasks that don't, unless it is given.

    Raises:
        ValueError: if one does, or the DAG has no such task.
    """
    if only is None:
        return
    _check_names(graph, "only", only)
    for task in only:
        for upstream, key in _taken(graph.nodes[task].work):
            if upstream not in only and key not in given.get(upstream, {}):
                name = upstream if key == RESULT_KEY else f"{upstream}/{key}"
                cure = f'give it, results={{"{name}": …}}, or run {upstream!r}, too'
                raise ValueError(f"only: {task!r} takes what {upstream!r} leaves, which is not to run: {cure}")


def _check_names(graph: Graph, what: str, names: Collection[str]) -> None:
    """Refuse a task that the DAG lacks; the message suggests the nearest."""
    for name in names:
        if name not in graph.nodes:
            near = get_close_matches(name, graph.nodes, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(graph.nodes)}"
            raise ValueError(f"{what}: the DAG {graph.dag!r} has no task {name!r}; {hint}")


def _taken(expression: object) -> Iterator[tuple[str, str]]:
    """Yield (task, key) of every result in a work's expressions, however deep."""
    match expression:
        case {"kind": "literal"}:
            return
        case {"kind": "result" | "results", "task": str(task), "key": str(key)}:
            yield task, key
        case dict():
            for part in expression.values():
                yield from _taken(part)
        case list():
            for part in expression:
                yield from _taken(part)
        case _:
            return
