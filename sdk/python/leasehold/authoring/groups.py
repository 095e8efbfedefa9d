"""``group``: tasks that belong together, under one name, with options in common.

``with group("load") as load:`` puts ``load.`` before the ids of the tasks called in it; ``read() >> load >> report()``
leads to its first tasks and comes from its last. On a function it makes a group of what the function calls.
"""

from __future__ import annotations

from leasehold.authoring.graph import Result, Several, current_graph
from leasehold.authoring.mistakes import AuthoringError, author_place
from leasehold.authoring.options import Options, check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ParamSpec, Self, TypeVar, Unpack, overload

    from leasehold.authoring.graph import Graph
    from leasehold.authoring.nodes import Node
    from leasehold.authoring.options import TaskOptions

    P = ParamSpec("P")
    R = TypeVar("R")

_OF_ONE_TASK = (
    "connections", "variables", "id_tokens", "dags", "triggers", "inlets", "outlets", "runtime", "isolation",
)  # fmt: skip


class Group(Several):
    """Tasks of one DAG under one name.

    Attributes:
        path: Its name, after those of the groups around it: ``load.north``. Empty until it is begun.
        place: (file, line) where the author began it.
    """

    def __init__(self, name: str | None, options: dict[str, object]) -> None:
        self.path = ""
        self.place = author_place()
        self._name = None if name is None else _checked(name)
        self._tasks: list[str] = []
        self._graph: Graph | None = None
        self._around: Group | None = None
        if outside := [option for option in options if option in _OF_ONE_TASK]:
            raise AuthoringError(
                f"a group has no option {outside[0]!r}", "Say it with each task: it is about what that one task does."
            )
        # A mistake in them is told here, once; the tasks get the others.
        self._options = Options(options, runtime="python", place=self.place).given

    def __enter__(self) -> Self:
        self._begin(self._name or "group", numbered=False)
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Make what ``function`` calls a group, each time that it is called in a DAG's body."""
        name = _checked(self._name or function.__name__)

        def grouped(*args: P.args, **kwargs: P.kwargs) -> Any:
            this = Group(name, self._options)
            this._begin(name, numbered=True)
            try:
                result: Any = function(*args, **kwargs)
            finally:
                this._end()
            return this if result is None else result

        grouped.__name__, grouped.__doc__, grouped.__wrapped__ = name, function.__doc__, function  # type: ignore[attr-defined]
        return grouped

    def take_in(self, node: Node) -> None:
        """Give a task that is called in this group its id and its options."""
        try:
            node.id = check_name(f"{self.path}.{node.id}")
        except ValueError as problem:
            raise AuthoringError(f"in the group {self.path!r}: {problem}", "Use shorter names.") from None
        node.group = self.path
        node.said["group"] = self.path
        node.options = node.options.after(self._defaults())

    def added(self, task: str) -> None:
        """Note that a task of this group is in the graph."""
        self._tasks.append(task)
        if self._around is not None:
            self._around.added(task)

    def first(self) -> list[Result]:
        """Return the tasks that wait for none of this group."""
        graph, inside = self._whole()
        return [Result(graph, name) for name in self._tasks if not inside.intersection(graph.nodes[name].upstream)]

    def last(self) -> list[Result]:
        """Return the tasks that none of this group waits for. A teardown is never among them."""
        graph, inside = self._whole()
        work = {name for name in inside if not graph.nodes[name].is_teardown}
        waited_for = {upstream for name in work for upstream in graph.nodes[name].upstream}
        last = [name for name in self._tasks if name in work - waited_for]
        of_work = [name for name in last if not graph.nodes[name].is_setup]
        return [Result(graph, name) for name in of_work or last or self._tasks]

    def __rshift__(self, other: Any) -> Any:
        self._whole()[0].connect(self, other)
        return other

    def __lshift__(self, other: Any) -> Any:
        self._whole()[0].connect(other, self)
        return other

    def __rrshift__(self, other: Any) -> Group:
        self._whole()[0].connect(other, self)
        return self

    def __rlshift__(self, other: Any) -> Group:
        self._whole()[0].connect(self, other)
        return self

    def __repr__(self) -> str:
        return f"<group {self.path}>"

    def _defaults(self) -> dict[str, object]:
        return {**(self._around._defaults() if self._around else {}), **self._options}

    def _begin(self, name: str, *, numbered: bool) -> None:
        graph = current_graph()
        if graph is None:
            raise AuthoringError(f"the group {name!r} is begun outside a DAG", "Groups belong in a @dag function.")
        if self._graph is not None:
            raise AuthoringError(f"the group {self.path!r} is begun twice", "Write group(…) again, with another name.")
        around = graph.open_groups[-1] if graph.open_groups else None
        self._graph, self._around = graph, around if isinstance(around, Group) else None
        self.path = self._free_path(graph, f"{self._around.path}.{name}" if self._around else name, numbered)
        graph.groups[self.path] = self.place
        graph.open_groups.append(self)

    def _free_path(self, graph: Graph, path: str, numbered: bool) -> str:
        if path not in graph.groups and path not in graph.nodes:
            return path
        if not numbered or path in graph.nodes:
            there = graph.groups.get(path) or graph.nodes[path].place
            cure = f"The first is at line {there[1]}. Give this one another name."
            graph.mistakes.append(AuthoringError(f"two groups, or a group and a task, have the name {path!r}", cure))
        number = 1
        while f"{path}__{number}" in graph.groups:
            number += 1
        return f"{path}__{number}"

    def _end(self) -> None:
        if self._graph is not None:
            self._graph.open_groups.remove(self)

    def _whole(self) -> tuple[Graph, set[str]]:
        """Return the graph and the ids of the tasks, when all of them are there."""
        if self._graph is None or not self._tasks or self in self._graph.open_groups:
            raise AuthoringError(
                f"the group {self.path or self._name!r} has no tasks yet, or is still open",
                "Put it in order below its with block, when it has tasks.",
            )
        return self._graph, set(self._tasks)


def _checked(name: str) -> str:
    try:
        checked = check_name(name)
    except ValueError as problem:
        raise AuthoringError(f"group {name!r}: {problem}") from None
    if "." in checked:
        raise AuthoringError(
            f"the group {name!r} has a dot in its name", "Dots are between a group and what is in it: nest groups."
        )
    return checked


if TYPE_CHECKING:

    @overload
    def group(name: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def group(name: str | None = None, /, **options: Unpack[TaskOptions]) -> Group: ...


def group(name: Any = None, /, **options: Any) -> Any:
    """Put tasks in a group: ``with group("load", retries=3) as load:``, or ``@group`` on a function that calls them.

    Args:
        name: The group's name, without dots (on a function: its name).
        options: What its tasks do unless they say otherwise, see ``TaskOptions``; not what one task declares for
            itself, like its connections.

    Raises:
        AuthoringError: if the name can't be one, or an option can't be what it was set to.
    """
    if callable(name):
        return Group(None, {})(name)
    return Group(name, options)
