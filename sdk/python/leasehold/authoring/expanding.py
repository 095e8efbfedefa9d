"""``expand``: a task with an instance for each item of a list, which may be known only when the DAG runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from leasehold.authoring.calls import Arguments, Expression, check_template
from leasehold.authoring.functions import TaskFunction
from leasehold.authoring.graph import Graph, Result, current_graph
from leasehold.authoring.mistakes import AuthoringError
from leasehold.authoring.nodes import Node
from leasehold.authoring.options import Options
from leasehold.authoring.sources import Together, source_of
from leasehold.authoring.symbols import Param
from leasehold.runtime.expressions import ExpressionError

Made = Callable[[Arguments, dict[str, Expression], bool], Node]
"""Makes the node of (arguments, what each name takes of its item, whether items are spread)."""


class Partial:
    """A task with some of its arguments; ``expand`` adds it to the DAG."""

    def __init__(
        self, task: str, given: Mapping[str, object], made: Made, options: Options, check: Callable[[list[str]], None]
    ) -> None:
        self._task = task
        self._given = given
        self._made = made
        self._options = options
        self._check = check

    def expand(self, **over: Any) -> Result:
        """Add the task with an instance for each item; for several names with one for each combination of their items.

        Args:
            over: Argument (of a program: environment variable) → list, dictionary, parameter, or result of a task.
        """
        self._refuse(over, "expand(…)")
        return self._add(list(over.items()), [*over])

    def expand_zip(self, **over: Any) -> Result:
        """Add the task with an instance for the first items of all, one for the second ones, and so on."""
        self._refuse(over, "expand_zip(…)")
        together = Together("zipped", tuple(over.values()), {"names": [*over]})
        return self._add([(None, together)], [*over])

    def expand_kwargs(self, items: Any) -> Result:
        """Add the task with an instance for each item, which is a dictionary of arguments.

        Args:
            items: A list of dictionaries, or a result that is one.
        """
        if isinstance(items, list | tuple):
            for number, item in enumerate(items):
                self._check_item(item, number)
        elif not isinstance(items, Result | Together | Param):
            raise AuthoringError(
                f"{self._task!r}: expand_kwargs takes a list of dictionaries, not a {type(items).__name__}",
                "Write expand_kwargs([{…}, {…}]), or give a task's result.",
            )
        return self._add([(None, items)], None)

    def _check_item(self, item: object, number: int) -> None:
        if isinstance(item, Result):
            return
        if not isinstance(item, dict) or not all(isinstance(name, str) for name in item):
            raise AuthoringError(
                f"{self._task!r}: item {number} of expand_kwargs is no dictionary of arguments: {item!r:.60}",
                'Write each item with the names of the arguments: {"day": "2026-11-22"}.',
            )
        self._refuse(item, f"item {number} of expand_kwargs")

    def _refuse(self, over: Mapping[str, object], what: str) -> None:
        """Refuse names that can't be expanded over."""
        if not over:
            raise AuthoringError(
                f"{self._task!r}: {what} has nothing to expand over", "Name an argument: expand(file=[…])."
            )
        if twice := [name for name in over if name in self._given]:
            raise AuthoringError(
                f"{self._task!r}: {twice[0]!r} is in partial(…) and in {what}", "Leave it out of one of them."
            )
        self._check([*self._given, *over])

    def _add(self, axes: list[tuple[str | None, object]], names: list[str] | None) -> Result:
        graph = current_graph()
        if graph is None:
            raise AuthoringError(
                f"{self._task!r} is expanded outside a DAG", "expand belongs in the body of a @dag function."
            )
        found = Arguments(graph, items=names, is_mapped=True)
        sources = [
            {"name": name, "source": source_of(value, found, name or "the items", self._task)} for name, value in axes
        ]
        taken: dict[str, Expression] = {name: {"kind": "item", "name": name} for name in names or ()}
        node = self._made(found, taken, names is None)
        node.mapped = {"axes": sources}
        if (template := self._options.map_index_template) is not None:
            _check_label(graph, template, names, self._task)
            node.mapped["label"] = template
        return graph.add(node, found.results)


def of_function(task: TaskFunction[..., object], given: Mapping[str, object]) -> Partial:
    """Return a function's task with some of its arguments.

    Raises:
        AuthoringError: if the function has no such argument.
    """

    def made(found: Arguments, taken: dict[str, Expression], is_spread: bool) -> Node:
        if not is_spread:
            _check_all(task, [*given, *taken])
        kwargs = {name: found.express(value, name, task.id) for name, value in given.items()}
        work: dict[str, object] = {"kind": "python", "args": [], "kwargs": {**kwargs, **taken}, **task.options.work}
        if is_spread:
            work["spread"] = True
        node = Node(name=task.id, id_was_given=False, options=task.options, work=work, task=task)
        node.said.update(task.manner.entry)
        return node

    def check(names: list[str]) -> None:
        _check_names(task, names)

    check([*given])
    return Partial(task.id, given, made, task.options, check)


def _check_names(task: TaskFunction[..., object], names: list[str]) -> None:
    parameters = inspect.signature(task.function).parameters
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return
    known = [name for name, one in parameters.items() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"It has: {', '.join(known) or 'none'}."
            raise AuthoringError(f"{task.id!r} has no parameter {name!r}", hint)


def _check_all(task: TaskFunction[..., object], names: list[str]) -> None:
    try:
        inspect.signature(task.function).bind(**dict.fromkeys(names))
    except TypeError as problem:
        signature = f"{task.function.__name__}{inspect.signature(task.function)}"
        cure = f"It is {signature}: give what is the same for all instances by partial(…)."
        raise AuthoringError(f"{task.id!r} is expanded with the wrong arguments: {problem}", cure) from None


def _check_label(graph: Graph, template: str, names: list[str] | None, task: str) -> None:
    try:
        check_template(template, graph.params, items=names, is_mapped=True)
    except ExpressionError as problem:
        graph.mistakes.append(AuthoringError(f"map_index_template of {task!r}: {problem}"))
