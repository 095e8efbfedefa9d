"""Finds ``Connection.get("x")``, ``Variable.get("x")`` and ``runs.trigger("x")`` of what a task did not declare.

Only names written as text can be seen; the agent refuses the rest when the task runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import get_close_matches

import leasehold
from leasehold.authoring.functions import TaskFunction
from leasehold.authoring.mistakes import AuthoringError
from leasehold.runtime import runs
from leasehold.runtime.connections import Connection
from leasehold.runtime.variables import Variable


def undeclared(task: TaskFunction[..., object], source: ast.Module) -> Iterator[AuthoringError]:
    """Yield a mistake for every undeclared connection, variable or DAG that ``task``'s function names.

    Args:
        task: The task.
        source: The parsed file that the function is written in.
    """
    code = task.function.__code__
    declared = {
        "connection": task.options.connections,
        "variable": task.options.variables,
        "trigger": task.options.triggers,
    }
    body = function_at(source, code.co_name, code.co_firstlineno)
    for asked in ast.walk(body) if body else ():
        if found := _asked_for(asked, task):
            kind, name = found
            if not any(_fits(name, pattern) for pattern in declared[kind]):
                place = (code.co_filename, getattr(asked, "lineno", code.co_firstlineno))
                yield _mistake(task.id, kind, name, declared[kind], place)


def _fits(name: str, declared: str) -> bool:
    return name.startswith(declared[:-1]) if declared.endswith("*") else name == declared


def _mistake(task: str, kind: str, name: str, declared: list[str], place: tuple[str, int]) -> AuthoringError:
    near = get_close_matches(name, declared, n=1)
    cure = f"Add it: @task({kind}s={[*declared, name]!r})."
    if near:
        cure = f"Did you mean {near[0]!r}? Otherwise add it: @task({kind}s={[*declared, name]!r})."
    what = f"starts runs of the DAG {name!r}" if kind == "trigger" else f"asks for the {kind} {name!r}"
    return AuthoringError(f"task {task!r} {what}, which it does not declare", cure, place=place)


def function_at(source: ast.Module, name: str, first_line: int) -> ast.AST | None:
    """Return the function of that name whose first line, decorators included, is ``first_line``."""
    for node in ast.walk(source):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            lines = [node.lineno, *(decorator.lineno for decorator in node.decorator_list)]
            if min(lines) == first_line:
                return node
    return None


def _asked_for(node: ast.AST, task: TaskFunction[..., object]) -> tuple[str, str] | None:
    """Return (``connection``, ``variable`` or ``trigger``, the name) when ``node`` is such a call."""
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr=method), args=[ast.Constant(value=str(name)), *_]):
            pass
        case ast.Call(
            func=ast.Attribute(value=owner, attr=method),
            keywords=[ast.keyword(arg="id" | "key" | "dag", value=ast.Constant(value=str(name))), *_],
        ):
            pass
        case _:
            return None
    known = _named(owner, task)
    if known is Connection and method == "get":
        return "connection", name
    if known is Variable and method in ("get", "set", "delete"):
        return "variable", name
    if known is runs and method == "trigger":
        return "trigger", name
    return None


def _named(owner: ast.expr, task: TaskFunction[..., object]) -> object:
    """Return what a name in the function stands for: an alias of ours is still ours."""
    names: dict[str, object] = task.function.__globals__
    match owner:
        case ast.Name(id=name):
            return names.get(name)
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if names.get(name) is leasehold:
            return getattr(leasehold, attribute, None)
        case _:
            return None
