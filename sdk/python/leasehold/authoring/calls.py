"""A task called in a DAG's body: its arguments become expressions, the results among them become dependencies."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from leasehold.authoring.functions import TaskFunction
from leasehold.authoring.graph import Graph, Result
from leasehold.authoring.mistakes import AuthoringError, did_you_mean, tell
from leasehold.authoring.nodes import Node
from leasehold.authoring.symbols import Param, Symbol
from leasehold.runtime.expressions import ExpressionError, facts_from_context, names_in
from leasehold.runtime.values import ValueNotSupportedError, encode

Expression = dict[str, Any]


def call(
    task: TaskFunction[..., object], graph: Graph, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> Result:
    """Add a call of ``task`` to ``graph``.

    Raises:
        AuthoringError: if the arguments do not fit the function.
    """
    signature = inspect.signature(task.function)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as problem:
        _tell_wrong_arguments(task, kwargs, problem)
        args, kwargs = (), {}  # it goes on as a task, so that what is wrong further down is found as well
    if task.options.map_index_template is not None:
        raise AuthoringError(
            f"{task.id!r} has a map_index_template and is called as one task",
            "Expand it, or leave that out; a single task names itself with set_label(…).",
        )
    names = list(signature.parameters)
    found = Arguments(graph)
    work: dict[str, object] = {
        "kind": "python",
        "args": [found.express(value, _position(names, index), task.id) for index, value in enumerate(args)],
        "kwargs": {name: found.express(value, name, task.id) for name, value in kwargs.items()},
        **task.options.work,
    }
    node = Node(name=task.id, id_was_given=False, options=task.options, work=work, task=task)
    node.said.update(task.manner.entry)
    return graph.add(node, found.results)


def _tell_wrong_arguments(task: TaskFunction[..., object], kwargs: Mapping[str, object], problem: TypeError) -> None:
    signature = inspect.signature(task.function)
    known = list(signature.parameters)
    unknown = next((name for name in kwargs if name not in known), "")
    tell(
        AuthoringError(
            f"{task.id!r} is called with the wrong arguments: {problem}",
            f"{did_you_mean(unknown, known) if unknown else ''}It is {task.function.__name__}{signature}.",
            word=unknown or None,
        )
    )


def _position(names: list[str], index: int) -> str:
    return names[index] if index < len(names) else f"argument {index + 1}"


class Arguments:
    """Turns values into expressions and gathers the results among them."""

    def __init__(self, graph: Graph, *, items: list[str] | None = None, is_mapped: bool = False) -> None:
        """Make one.

        Args:
            graph: The DAG.
            items: Of a mapped task: what its items name; None: anything.
            is_mapped: It is one.
        """
        self._graph = graph
        self._items = items
        self._is_mapped = is_mapped
        self.results: list[Result] = []

    def express(self, value: object, name: str, task: str) -> Expression:
        """Return the expression for ``value``; mistakes in it are gathered in the graph."""
        try:
            return self._express(value)
        except ValueNotSupportedError as problem:
            where = f"{name}{problem.path.removeprefix('value')}"
            self._graph.mistakes.append(AuthoringError(f"an argument of {task!r}: {where} {problem.why}"))
        except ExpressionError as problem:
            cure = 'Braces that are meant as text are written {{ "{{" }}.'
            self._graph.mistakes.append(AuthoringError(f"an argument of {task!r}: {name}: {problem}", cure))
        return {"kind": "literal", "value": None}

    def _express(self, value: object) -> Expression:
        match value:
            case Result():
                return self._result(value)
            case Param():
                return {"kind": "param", "name": value.name}
            case str() if "{{" in value:
                check_template(value, self._graph.params, items=self._items, is_mapped=self._is_mapped)
                return {"kind": "template", "text": value}
            case list() | tuple() if _has_symbols(value):
                return {"kind": "list", "items": self._each(enumerate(value), "[{}]".format)}
            case dict() if _has_symbols(value):
                encode(dict.fromkeys(value), "value")  # the keys must be text
                items = self._each(value.items(), '["{}"]'.format)
                return {"kind": "dict", "items": dict(zip(value, items, strict=True))}
            case TaskFunction():
                raise ValueNotSupportedError("value", f"is the task {value.id!r} itself: call it, as in {value.id}()")
            case _:
                return {"kind": "literal", "value": encode(value, "value")}

    def _each(self, items: Any, step: Callable[[object], str]) -> list[Expression]:
        expressions: list[Expression] = []
        for key, item in items:
            try:
                expressions.append(self._express(item))
            except ValueNotSupportedError as problem:
                path = "value" + step(key) + problem.path.removeprefix("value")
                raise ValueNotSupportedError(path, problem.why) from None
        return expressions

    def _result(self, result: Result) -> Expression:
        node = result.graph.nodes[result.task]
        if result.key == "return_value" and node.work.get("result") == "nothing":
            raise ExpressionError(
                f'{result.task!r} has result="nothing": give it result="last_line", "text" or "json" to pass it on'
            )
        self.results.append(result)
        kind = "results" if node.mapped else "result"
        return {"kind": kind, "task": result.task, "key": result.key}


@cache
def _facts_of_every_task() -> tuple[str, ...]:
    return tuple(facts_from_context({}).names)


def check_template(text: str, params: list[str], *, items: list[str] | None = None, is_mapped: bool = False) -> None:
    """Check that a template's names exist; of a mapped task also those of its ``items`` (None: any).

    Raises:
        ExpressionError: if one does not; the message suggests the nearest.
    """
    named = names_in(text)
    if not named:
        return
    known = [*_facts_of_every_task(), *(f"params.{name}" for name in params)]
    known += [f"item.{name}" for name in (items or ()) if is_mapped]
    for name in named:
        base = ".".join(name.split(".")[:2]) if name.startswith(("params.", "item.")) else name
        if is_mapped and items is None and base.startswith("item."):
            continue
        if base not in known:
            near = get_close_matches(base, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there is: {', '.join(known)}"
            raise ExpressionError(f"a template names {name!r}, which is unknown: {hint}")


def _has_symbols(value: object) -> bool:
    match value:
        case Symbol() | TaskFunction():
            return True
        case str():
            return "{{" in value
        case list() | tuple():
            return any(_has_symbols(item) for item in value)
        case dict():
            return any(_has_symbols(item) for item in value.values())
        case _:
            return False
