"""From a DAG to its manifest: runs the body once, and writes down what it said as plain data."""

from __future__ import annotations

import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from leasehold.authoring.dags import Dag
from leasehold.authoring.flow import settle_flow
from leasehold.authoring.functions import TaskFunction
from leasehold.authoring.graph import Graph, gather
from leasehold.authoring.mistakes import AuthoringError
from leasehold.authoring.nodes import Node
from leasehold.authoring.params import params_schema
from leasehold.authoring.script import ScriptMetadata
from leasehold.authoring.symbols import Param
from leasehold.runtime.expressions import ExpressionError

Manifest = dict[str, Any]


def draw(dag: Dag[...]) -> tuple[Graph, Manifest]:
    """Run a DAG's body and return its graph and the schema of its parameters.

    The graph's ``mistakes`` hold what was wrong with the calls in it.

    Raises:
        AuthoringError: if the body can't be gone through, or the parameters can't be JSON.
    """
    schema = params_schema(dag)
    names = list(schema["properties"])
    graph = Graph(dag.name, names)
    _check_defaults(dag, schema)
    before = gather(graph)
    try:
        dag.function(**{name: Param(name) for name in names})
    finally:
        gather(before)
    if not graph.nodes:
        raise AuthoringError(f"the DAG {dag.name!r} has no tasks", "Call a task in its body.", place=dag.place)
    # Who comes after whom means nothing in a circle.
    graph.mistakes += _circles(graph) or settle_flow(graph)
    return graph, schema


def manifest_of(
    dag: Dag[...], graph: Graph, schema: Manifest, *, script: ScriptMetadata, description: str, root: str
) -> Manifest:
    """Return the manifest of a DAG, as JSON data; its ``bundle`` is not set yet.

    Raises:
        AuthoringError: if a task's function can't be found where the task runs.
    """
    return {
        "manifest_version": 1,
        "dag": dag.name,
        "description": description,
        "params_schema": schema,
        "tasks": [_entry(node, root) for node in graph.nodes.values()],
        "bundle": None,
        "requires_python": script.requires_python,
        "dependencies": list(script.dependencies),
        **dag.fields,
    }


def _entry(node: Node, root: str) -> Manifest:
    work = dict(node.work)
    if node.task is not None:
        work["module"], work["function"] = address(node.task, root)
    file, line = node.place
    return {
        "id": node.id,
        "work": work,
        **({"mapped": node.mapped} if node.mapped else {}),
        "upstream": list(node.upstream),
        **node.entry,
        "file": file.removeprefix(root).lstrip("/\\"),
        "line": line,
    }


def address(task: TaskFunction[..., object], root: str) -> tuple[str, str]:
    """Return (module, name) by which a task's function is found where the task runs.

    Raises:
        AuthoringError: if it has no such name there: it was written inside another function, or in another folder.
    """
    module = sys.modules.get(task.function.__module__)
    if not is_beside(module, root):
        raise AuthoringError(
            f"task {task.id!r} is defined in {task.function.__module__}, which does not travel with the DAG file",
            "Move the module into the DAG file's folder.",
            place=task.options.place,
        )
    for name, value in vars(module).items() if module else ():
        if value is task.function or (isinstance(value, TaskFunction) and value.function is task.function):
            return task.function.__module__, name
    raise AuthoringError(
        f"the function of task {task.id!r} can't be found by name in its file",
        "Define it at the top level of the file, under a name that nothing else there has.",
        place=task.options.place,
    )


def is_beside(module: object, root: str) -> bool:
    """Return whether a module's file is in the folder ``root``, or below it."""
    file = getattr(module, "__file__", None)
    return file is not None and _is_below(file, root)


@cache
def _is_below(file: str, root: str) -> bool:
    return Path(file).resolve().is_relative_to(root)


def _check_defaults(dag: Dag[...], schema: Manifest) -> None:
    from leasehold.authoring.calls import check_template

    for name, entry in schema["properties"].items():
        default = entry.get("default")
        if isinstance(default, str) and "{{" in default:
            try:
                check_template(default, [])
            except ExpressionError as problem:
                cure = "The default of a parameter may name ds, ts, run_id and their like, not other parameters."
                raise AuthoringError(f"the default of {name!r}: {problem}", cure, place=dag.place) from None


def _circles(graph: Graph) -> list[AuthoringError]:
    """Return a mistake for the first circle, if there is one."""
    done: set[str] = set()
    for start in graph.nodes:
        path: dict[str, None] = {}
        steps = [(start, False)]
        while steps:
            name, leaving = steps.pop()
            if leaving:
                del path[name]
                done.add(name)
            elif name in path:
                circle = [*path][[*path].index(name) :]
                return [_circle(graph, [*circle, name])]
            elif name not in done:
                path[name] = None
                steps.append((name, True))
                steps += [(other, False) for other in graph.nodes[name].upstream]
    return []


def _circle(graph: Graph, path: list[str]) -> AuthoringError:
    """``path`` goes upstream; people read downstream."""
    places = [graph.nodes[later].upstream[earlier] for later, earlier in pairwise(path)]
    return AuthoringError(
        "the tasks wait for each other in a circle: " + " → ".join(reversed(path)),
        "Take one of these arrows away: " + ", ".join(f"line {line}" for _, line in sorted(set(places))) + ".",
        place=max(places, key=lambda place: place[1]),
    )
