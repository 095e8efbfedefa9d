"""The tasks of one DAG and what waits for what, gathered while the DAG function's body runs."""

from __future__ import annotations

from itertools import pairwise

from leasehold.authoring.mistakes import AuthoringError, author_place
from leasehold.authoring.symbols import Symbol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from leasehold.authoring.functions import TaskFunction
    from leasehold.authoring.options import Options

_RESULT_KEY = "return_value"


class Node:
    """One task of the DAG."""

    __slots__ = ("id", "id_was_given", "mapped", "options", "place", "task", "upstream", "work")

    def __init__(
        self,
        *,
        name: str,
        id_was_given: bool,
        options: Options,
        work: dict[str, object],
        task: TaskFunction[..., object] | None,
    ) -> None:
        self.id = name
        self.id_was_given = id_was_given
        self.options = options
        self.work = work
        self.mapped: dict[str, object] | None = None
        """What it has an instance for each of."""
        self.task = task
        self.place = author_place()
        self.upstream: dict[str, tuple[str, int]] = {}
        """Task id → where the author said so. A dict for its order: the same file compiles to the same bytes."""


class Graph:
    """A DAG while it is being written down.

    Mistakes that need not stop the body are gathered, so that the author hears of all of them at once.
    """

    def __init__(self, dag: str, params: list[str]) -> None:
        self.dag = dag
        self.params = params
        self.nodes: dict[str, Node] = {}
        self.mistakes: list[AuthoringError] = []

    def add(self, node: Node, upstream: list[Result]) -> Result:
        """Add a task that takes the results in ``upstream``, and return its own result."""
        node.id = self._free_id(node)
        self.nodes[node.id] = node
        for result in upstream:
            self._wait(node, result)
        return Result(self, node.id)

    def connect(self, before: object, after: object) -> None:
        """Make every task of ``after`` wait for every task of ``before``."""
        for later in _results(after):
            for earlier in _results(before):
                if later.graph is self:
                    self._wait(self.nodes[later.task], earlier)
                else:
                    self._foreign(later)

    def _wait(self, node: Node, result: Result) -> None:
        if result.graph is not self:
            self._foreign(result)
        else:
            node.upstream.setdefault(result.task, author_place())

    def _foreign(self, result: Result) -> None:
        self.mistakes.append(
            AuthoringError(
                f"{result.task!r} is not a task of the DAG {self.dag!r}: it was made in {result.graph.dag!r}",
                "Call the task inside this DAG's function.",
            )
        )

    def _free_id(self, node: Node) -> str:
        if node.id not in self.nodes:
            return node.id
        there = self.nodes[node.id]
        if _function(there) is not _function(node) or node.id_was_given:
            first = f"The first is at line {there.place[1]}. Give this one another: id=…"
            self.mistakes.append(AuthoringError(f"two tasks have the id {node.id!r}", first, place=node.place))
        number = 1
        while f"{node.id}__{number}" in self.nodes:
            number += 1
        return f"{node.id}__{number}"


class Result(Symbol):
    """What a task returns, or pushes under another key. ``a >> b`` makes b wait for a."""

    def __init__(self, graph: Graph, task: str, key: str = _RESULT_KEY) -> None:
        self.graph = graph
        self.task = task
        self.key = key
        self._what = f"the result of {task!r}"

    def output(self, key: str) -> Result:
        """Return what the task pushes under ``key`` with ``xcom.push``."""
        return Result(self.graph, self.task, key)

    def __rshift__(self, other: Any) -> Any:
        self.graph.connect(self, other)
        return other

    def __lshift__(self, other: Any) -> Any:
        self.graph.connect(other, self)
        return other

    def __rrshift__(self, other: Any) -> Result:
        self.graph.connect(other, self)
        return self

    def __rlshift__(self, other: Any) -> Result:
        self.graph.connect(self, other)
        return self

    def __repr__(self) -> str:
        return f"<result {self.task}/{self.key}>"


class _Current:
    """The DAG whose body is running, if one is. Bodies run one at a time, when a file is loaded."""

    graph: Graph | None = None


def current_graph() -> Graph | None:
    """Return the graph that calls of tasks are added to; None outside a DAG function's body."""
    return _Current.graph


def gather(graph: Graph | None) -> Graph | None:
    """Make ``graph`` the current one and return the one before."""
    before, _Current.graph = _Current.graph, graph
    return before


def chain(*steps: object) -> None:
    """Make each step wait for the one before it. A step is a task's result, or a list of them."""
    for before, after in pairwise(steps):
        graph = next((result.graph for result in _results(after)), None)
        if graph is not None:
            graph.connect(before, after)


def _function(node: Node) -> object:
    return node.task and node.task.function


def _results(step: object) -> list[Result]:
    if isinstance(step, Result):
        return [step]
    if isinstance(step, list | tuple):
        return [result for item in step for result in _results(item)]
    raise AuthoringError(
        f"{type(step).__name__} is not a task: only called tasks can be put in order",
        "Call the task first, as in extract() >> load(), or pass its result on.",
    )
