"""``@setup`` and ``@teardown``: what is made before some tasks, and taken away after them whatever becomes of them."""

from __future__ import annotations

from leasehold.authoring.functions import Manner
from leasehold.authoring.mistakes import AuthoringError, author_place
from leasehold.authoring.scopes import of_a_teardown
from leasehold.authoring.tasks import make_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Unpack, overload

    from leasehold.authoring.functions import P, R
    from leasehold.authoring.options import TaskOptions
    from leasehold.authoring.tasks import Task


if TYPE_CHECKING:

    @overload
    def setup(function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def setup(*, id: str | None = None, **options: Unpack[TaskOptions]) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def setup(
    function: Any = None,
    /,
    *,
    id: str | None = None,  # noqa: A002 - the word authors use
    **options: Any,
) -> Any:
    """Make a function a task that makes what others need: ``with make_table() >> drop_table():``.

    Args:
        function: The function; given by the bare form.
        id: The task's id (default: the function's name).
        options: See ``TaskOptions``.

    Raises:
        AuthoringError: if an option can't be what it was set to.
    """
    place = author_place()
    manner = Manner(entry={"role": "setup"})

    def decorate(decorated: Callable[P, R]) -> Task[P, R]:
        return make_task(decorated, id, options, place, "@setup", manner)

    return decorate if function is None else decorate(function)


if TYPE_CHECKING:

    @overload
    def teardown(function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def teardown(
        *, id: str | None = None, on_failure_fail_dagrun: bool = False, **options: Unpack[TaskOptions]
    ) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def teardown(
    function: Any = None,
    /,
    *,
    id: str | None = None,  # noqa: A002 - the word authors use
    on_failure_fail_dagrun: bool = False,
    **options: Any,
) -> Any:
    """Make a function a task that takes away what its setups made, whatever became of the tasks between.

    It runs when everything before it has ended and one of its setups succeeded, in a cancelled run too.

    Args:
        function: The function; given by the bare form.
        id: The task's id (default: the function's name).
        on_failure_fail_dagrun: The run fails when this task does; otherwise it has no say in that.
        options: See ``TaskOptions``.

    Raises:
        AuthoringError: if an option can't be what it was set to.
    """
    place = author_place()
    if "trigger_rule" in options:
        raise AuthoringError("a teardown has a trigger rule of its own", "Leave trigger_rule out.", place=place)
    manner = Manner(entry=of_a_teardown(fails_run=on_failure_fail_dagrun))

    def decorate(decorated: Callable[P, R]) -> Task[P, R]:
        return make_task(decorated, id, options, place, "@teardown", manner)

    return decorate if function is None else decorate(function)
