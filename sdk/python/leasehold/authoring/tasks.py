"""``@task``: a function that is one step of a DAG."""

from __future__ import annotations

from leasehold.authoring.functions import PLAIN, Manner, TaskFunction
from leasehold.authoring.graph import current_graph
from leasehold.authoring.mistakes import AuthoringError, author_place
from leasehold.authoring.options import check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, Unpack, overload

    from leasehold.authoring.expanding import Partial
    from leasehold.authoring.functions import P, R
    from leasehold.authoring.graph import Result
    from leasehold.authoring.options import Duration, SensorOptions, TaskOptions


class Task(TaskFunction["P", "R"]):
    """A function that is a step of a DAG. Called in a DAG's body it adds the step, anywhere else it just runs.

    Attributes:
        id: The task's id in the DAG, unless it is called more than once there.
        function: The author's function.
        options: What the author said about it.
    """

    if TYPE_CHECKING:
        # A task that returns nothing is called for its place in the order: its call may be used with >>.
        @overload
        def __call__(self: Task[P, None], *args: P.args, **kwargs: P.kwargs) -> Result: ...
        # In a DAG's body the call of an async function isn't awaited: other tasks get what it returns in the end.
        @overload
        def __call__(self: Task[P, Coroutine[Any, Any, object]], *args: P.args, **kwargs: P.kwargs) -> Result: ...
        @overload
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Add the task to the DAG whose body is running, or run the function."""
        graph = current_graph()
        if graph is None:
            return self.at_the_site(*args, **kwargs)
        from leasehold.authoring.calls import call

        return call(self, graph, args, kwargs)

    def override(
        self,
        *,
        id: str | None = None,  # noqa: A002 - the word authors use
        **options: Unpack[TaskOptions],
    ) -> Task[P, R]:
        """Return the same task with other options: ``load.override(id="load_north", priority=10)(rows)``."""
        return Task(self.function, task_id(id or self.id), {**self.given, **options}, author_place(), self.manner)

    def partial(self, **given: Any) -> Partial:
        """Return the task with arguments that are the same for all instances: ``load.partial(day=day).expand(…)``."""
        from leasehold.authoring.expanding import of_function

        return of_function(self, given)

    def expand(self, **over: Any) -> Result:
        """Add the task with an instance for each item: ``load.expand(file=find())``.

        With several names there is one for each combination of their items; the last varies fastest.

        Args:
            over: Argument → list, dictionary, parameter of list type, or result of a task.
        """
        return self.partial().expand(**over)

    def expand_zip(self, **over: Any) -> Result:
        """Add the task with an instance for the first items of all lists, one for the second ones, and so on."""
        return self.partial().expand_zip(**over)

    def expand_kwargs(self, items: Any) -> Result:
        """Add the task with an instance for each item, a dictionary of arguments.

        Args:
            items: A list of dictionaries, or a result that is one.
        """
        return self.partial().expand_kwargs(items)

    def __repr__(self) -> str:
        return f"<task {self.id}>"


class _TaskDecorator:
    """What ``task`` is: a decorator, with others for tasks of a special kind."""

    if TYPE_CHECKING:

        @overload
        def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...
        @overload
        def __call__(
            self, /, *, id: str | None = None, **options: Unpack[TaskOptions]
        ) -> Callable[[Callable[P, R]], Task[P, R]]: ...

    def __call__(
        self,
        function: Any = None,
        /,
        *,
        id: str | None = None,  # noqa: A002 - the word authors use
        **options: Any,
    ) -> Any:
        """Make a function a task: ``@task``, or ``@task(retries=3, timeout="10m", connections=["plant_db"])``.

        Args:
            function: The function; given by the bare form.
            id: The task's id (default: the function's name).
            options: See ``TaskOptions``.

        Raises:
            AuthoringError: if an option can't be what it was set to.
        """
        place = author_place()

        def decorate(decorated: Callable[P, R]) -> Task[P, R]:
            return make_task(decorated, id, options, place, "@task")

        return decorate if function is None else decorate(function)

    def sensor(
        self,
        *,
        poke_every: Duration = 60.0,
        timeout: Duration | None = None,
        soft_fail: bool = False,
        exponential: bool = False,
        id: str | None = None,  # noqa: A002 - the word authors use
        **options: Unpack[SensorOptions],
    ) -> Callable[[Callable[P, R]], Task[P, R]]:
        """Make a function a task that looks again and again until what it returns is true; no slot taken meanwhile.

        Args:
            poke_every: How long to wait between two looks.
            timeout: How long to look in all, from the first look; then the task fails for good. None: for ever.
            soft_fail: It is skipped then, and does not fail.
            exponential: Wait twice as long each time, up to an hour.
            id: The task's id (default: the function's name).
            options: See ``TaskOptions``.

        Raises:
            AuthoringError: if an option can't be what it was set to.
        """
        from leasehold.authoring.sensors import looking

        around = looking(poke_every=poke_every, timeout=timeout, soft_fail=soft_fail, exponential=exponential)
        manner = Manner(around=around)
        place = author_place()

        def decorate(decorated: Callable[P, R]) -> Task[P, R]:
            return make_task(decorated, id, dict(options), place, "@task.sensor", manner)

        return decorate

    if TYPE_CHECKING:

        @overload
        def branch(self, function: Callable[P, R], /) -> Task[P, R]: ...
        @overload
        def branch(
            self, /, *, id: str | None = None, **options: Unpack[TaskOptions]
        ) -> Callable[[Callable[P, R]], Task[P, R]]: ...

    def branch(
        self,
        function: Any = None,
        /,
        *,
        id: str | None = None,  # noqa: A002 - the word authors use
        **options: Any,
    ) -> Any:
        """Make a function a task that returns which of the tasks directly after it to follow; the others are skipped.

        It returns the id of a task or a group, the task itself, a list of those, or None to follow none.

        Args:
            function: The function; given by the bare form.
            id: The task's id (default: the function's name).
            options: See ``TaskOptions``.

        Raises:
            AuthoringError: if an option can't be what it was set to.
        """
        from leasehold.authoring.choices import branching

        place, manner = author_place(), branching()

        def decorate(decorated: Callable[P, R]) -> Task[P, R]:
            return make_task(decorated, id, options, place, "@task.branch", manner)

        return decorate if function is None else decorate(function)

    if TYPE_CHECKING:

        @overload
        def short_circuit(self, function: Callable[P, R], /) -> Task[P, R]: ...
        @overload
        def short_circuit(
            self,
            /,
            *,
            ignore_downstream_trigger_rules: bool = True,
            id: str | None = None,
            **options: Unpack[TaskOptions],
        ) -> Callable[[Callable[P, R]], Task[P, R]]: ...

    def short_circuit(
        self,
        function: Any = None,
        /,
        *,
        ignore_downstream_trigger_rules: bool = True,
        id: str | None = None,  # noqa: A002 - the word authors use
        **options: Any,
    ) -> Any:
        """Make a function a task after which everything is skipped when what it returns is falsy.

        Args:
            function: The function; given by the bare form.
            ignore_downstream_trigger_rules: False skips only what comes directly after it; the rest follows its rules.
            id: The task's id (default: the function's name).
            options: See ``TaskOptions``.

        Raises:
            AuthoringError: if an option can't be what it was set to.
        """
        from leasehold.authoring.choices import short_circuiting

        place = author_place()
        manner = short_circuiting(ignore_downstream_trigger_rules=ignore_downstream_trigger_rules)

        def decorate(decorated: Callable[P, R]) -> Task[P, R]:
            return make_task(decorated, id, options, place, "@task.short_circuit", manner)

        return decorate if function is None else decorate(function)


task = _TaskDecorator()


def make_task(
    decorated: Callable[P, R],
    name: str | None,
    options: dict[str, object],
    place: tuple[str, int],
    what: str,
    manner: Manner = PLAIN,
) -> Task[P, R]:
    """Make a function a task; ``what`` is what the author wrote above it.

    Raises:
        AuthoringError: if it is none, or an option can't be what it was set to.
    """
    if not callable(decorated) or not hasattr(decorated, "__code__"):
        raise AuthoringError(f"{what} goes on a function", "Write def …(…): below it.", place=place)
    return Task(decorated, task_id(name or decorated.__name__), options, place, manner)


def task_id(name: str) -> str:
    try:
        return check_name(name)
    except ValueError as problem:
        raise AuthoringError(f"id={name!r}: {problem}") from None
