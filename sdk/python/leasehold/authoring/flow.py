"""What can be said of a DAG's flow when its body has been gone through: where branches lead, and what can't work."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import get_close_matches

from leasehold.authoring.declared import function_at
from leasehold.authoring.graph import Graph
from leasehold.authoring.mistakes import AuthoringError
from leasehold.authoring.nodes import Node
from leasehold.runtime.choosing import resolved


def settle_flow(graph: Graph) -> list[AuthoringError]:
    """Write down where each branch leads; return a mistake for every teardown that has nothing to take away."""
    after: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for name, node in graph.nodes.items():
        for upstream in node.upstream:
            after[upstream].append(name)
    for name, node in graph.nodes.items():
        if node.task is not None and node.task.manner.is_branch:
            node.work["follows"] = _follows(graph, after, name)
    return [
        AuthoringError(
            f"the teardown {name!r} has no setup before it: there is nothing that it takes away",
            f'Put one there, make() >> {name}(), or use @task(trigger_rule="all_done").',
            place=node.place,
        )
        for name, node in graph.nodes.items()
        if node.is_teardown and not any(graph.nodes[other].is_setup for other in node.upstream)
    ]


def _follows(graph: Graph, after: dict[str, list[str]], branch: str) -> dict[str, list[str]]:
    """Return what a branch may follow → which of the tasks directly after it run then.

    A task that comes after a followed one runs too, although the branch stands directly before it: a join, as a rule.
    """
    direct = after[branch]
    leads_to: dict[str, list[str]] = {}
    for name in direct:
        seen, pending = {name}, [name]
        while pending:
            new = [later for later in after[pending.pop()] if later not in seen]
            seen.update(new)
            pending += new
        leads_to[name] = [other for other in direct if other in seen]
    for path in graph.groups:
        inside = [name for name in direct if f"{graph.nodes[name].group or ''}.".startswith(f"{path}.")]
        if inside:
            reached = {other for name in inside for other in leads_to[name]}
            leads_to[path] = [other for other in direct if other in reached]
    return leads_to


def cannot_follow(node: Node, source: ast.Module) -> Iterator[AuthoringError]:
    """Yield a mistake for each text that a branch returns and that it can't follow.

    Args:
        node: The branch, in a graph whose flow is settled.
        source: The parsed file that its function is written in.
    """
    follows = node.work.get("follows")
    if node.task is None or not isinstance(follows, dict):
        return
    code = node.task.function.__code__
    for text in _returned(function_at(source, code.co_name, code.co_firstlineno)):
        name = str(text.value)
        if resolved(name, follows, task=node.id) is None:
            near = get_close_matches(name, follows, n=1)
            there_are = f"Directly after it come {', '.join(follows)}." if follows else "Nothing comes after it."
            cure = f"Did you mean {near[0]!r}? {there_are}" if near else there_are
            message = f"the branch {node.id!r} returns {name!r}, which is not directly after it"
            yield AuthoringError(message, cure, place=(code.co_filename, text.lineno))


def _returned(function: ast.AST | None) -> Iterator[ast.Constant]:
    """Yield the texts in a function's return statements; what is worked out there can't be seen."""
    pending = list(ast.iter_child_nodes(function)) if function else []
    while pending:
        node = pending.pop(0)
        if isinstance(node, ast.Return) and node.value is not None:
            yield from _texts(node.value)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            pending = [*ast.iter_child_nodes(node), *pending]


def _texts(value: ast.expr) -> Iterator[ast.Constant]:
    match value:
        case ast.Constant(value=str()):
            yield value
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            for item in items:
                yield from _texts(item)
        case ast.IfExp(body=body, orelse=orelse):
            yield from _texts(body)
            yield from _texts(orelse)
        case _:
            return
