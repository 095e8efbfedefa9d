"""The tasks of one DAG and what waits for what, gathered while the DAG function's body runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise

from leasehold.authoring.mistakes import AuthoringError, author_place
from leasehold.authoring.nodes import Node
from leasehold.authoring.scopes import Scopes
from leasehold.authoring.symbols import Symbol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Literal, Self

_RESULT_KEY = "return_value"


class Several(ABC):
    """Tasks that are put in order together: a group."""

    @abstractmethod
    def take_in(self, node: Node) -> None:
        """Give a task that is called meanwhile what the tasks have in common."""

    @abstractmethod
    def added(self, task: str) -> None:
        """Note that such a task is in the graph."""

    @abstractmethod
    def first(self) -> list[Result]:
        """Return the tasks to which an arrow to them leads."""

    @abstractmethod
    def last(self) -> list[Result]:
        """Return the tasks from which an arrow from them comes."""


class Graph(Scopes):
    """A DAG while it is being written down.

    Mistakes that need not stop the body are gathered, so that the author hears of all of them at once.
    """

    def __init__(self, dag: str, params: list[str]) -> None:
        self.dag = dag
        self.params = params
        super().__init__()
        self.mistakes: list[AuthoringError] = []
        self.open_groups: list[Several] = []
        self.groups: dict[str, tuple[str, int]] = {}
        """The path of each group → where it begins."""
        self._numbers: dict[str, int] = {}
        """The id of tasks that are called again and again → the number that the next call gets."""

    def add(self, node: Node, upstream: list[Result]) -> Result:
        """Add a task that takes the results in ``upstream``, and return its own result."""
        if self.open_groups:
            self.open_groups[-1].take_in(node)
        node.id = self._free_id(node)
        self.nodes[node.id] = node
        if self.open_groups:
            self.open_groups[-1].added(node.id)
        for scope in self.open_scopes:
            scope.append(node.id)
        for result in upstream:
            self._wait(node, result)
        return Result(self, node.id)

    def connect(self, before: object, after: object) -> None:
        """Make every task of ``after`` wait for every task of ``before``."""
        for later in _results(after, ends="first"):
            for earlier in _results(before, ends="last"):
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

    def wait_for(self, task: str, earlier: Iterable[str]) -> None:
        for name in earlier:
            self._wait(self.nodes[task], Result(self, name))

    def _free_id(self, node: Node) -> str:
        if node.id in self.groups:
            cure = f"The group begins at line {self.groups[node.id][1]}. Give one of them another: id=…"
            self.mistakes.append(AuthoringError(f"a task and a group have the id {node.id!r}", cure, place=node.place))
        if node.id not in self.nodes:
            return node.id
        there = self.nodes[node.id]
        if _function(there) is not _function(node) or node.id_was_given:
            first = f"The first is at line {there.place[1]}. Give this one another: id=…"
            self.mistakes.append(AuthoringError(f"two tasks have the id {node.id!r}", first, place=node.place))
        # Ids may be given that look like these; else a thousand calls of one function would be counted from 1 each.
        number = self._numbers.get(node.id, 1)
        while f"{node.id}__{number}" in self.nodes:
            number += 1
        self._numbers[node.id] = number + 1
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

    def as_setup(self) -> Result:
        """Make this task a setup: what it makes is taken away by a teardown."""
        self.graph.make_setup(self.task)
        return self

    def as_teardown(self, *, setups: Any = (), on_failure_fail_dagrun: bool | None = None) -> Result:
        """Make this task the teardown of ``setups``: ``shell("rm -r /tmp/x").as_teardown(setups=made)``.

        Args:
            setups: The result, or a list of results, of what it takes away again; those become setups.
            on_failure_fail_dagrun: The run fails when this task does.
        """
        self.graph.make_teardown(self.task, fails_run=on_failure_fail_dagrun)
        self.graph.connect(setups, self)
        for made in _results(setups, ends="last"):
            self.graph.make_setup(made.task)
        return self

    def __enter__(self) -> Self:
        self.graph.open_scope(self.task)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.graph.close_scope(self.task, is_whole=kind is None)

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
    """Make each step wait for the one before it. A step is a task's result, a group, or a list of them.

    Two lists that follow each other are put in order one by one, as Airflow does: ``chain([a, b], [c, d])`` is
    ``a >> c`` and ``b >> d``.

    Raises:
        AuthoringError: if two lists that follow each other differ in length.
    """
    for before, after in pairwise(steps):
        if not (isinstance(before, list | tuple) and isinstance(after, list | tuple)):
            _in_order(before, after)
        elif len(before) == len(after):
            for earlier, later in zip(before, after, strict=True):
                _in_order(earlier, later)
        else:
            raise AuthoringError(
                f"chain has a list of {len(before)} before a list of {len(after)}: they are put in order one by one",
                "Give them the same length, or use cross_downstream([…], […]) for each after each.",
            )


def cross_downstream(from_tasks: object, to_tasks: object) -> None:
    """Make every task of ``to_tasks`` wait for every task of ``from_tasks``."""
    _in_order(from_tasks, to_tasks)


def _in_order(before: object, after: object) -> None:
    graph = next((result.graph for result in _results(after, ends="first")), None)
    if graph is not None:
        graph.connect(before, after)


def _function(node: Node) -> object:
    return node.task and node.task.function


def _results(step: object, *, ends: Literal["first", "last"]) -> list[Result]:
    """Return the tasks of a step that an arrow to it leads to, or one from it comes from."""
    if isinstance(step, Result):
        return [step]
    if isinstance(step, list | tuple):
        return [result for item in step for result in _results(item, ends=ends)]
    if isinstance(step, Several):
        return step.first() if ends == "first" else step.last()
    raise AuthoringError(
        f"{type(step).__name__} is not a task: only called tasks can be put in order",
        "Call the task first, as in extract() >> load(), or pass its result on.",
    )
