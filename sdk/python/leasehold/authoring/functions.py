"""An author's function as a step of a DAG: its id and what the author said about it."""

from __future__ import annotations

from leasehold.authoring.options import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Generic, ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R", covariant=True)

    class _Signed(Generic[P, R]):
        """Carries the function's signature for type checkers."""
else:

    class _Signed:
        def __class_getitem__(cls, _parameters):
            return cls


class Manner:
    """What makes a task one of a special kind: a sensor, a branch, a setup.

    Attributes:
        around: Returns what is called where the task runs, given the author's function.
        entry: Fields of the manifest's task entry that its kind decides.
        is_branch: It returns which of the tasks after it to follow.
    """

    __slots__ = ("around", "entry", "is_branch")

    def __init__(
        self,
        *,
        around: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
        entry: dict[str, object] | None = None,
        is_branch: bool = False,
    ) -> None:
        self.around = around
        self.entry = entry or {}
        self.is_branch = is_branch


PLAIN = Manner()


class TaskFunction(_Signed["P", "R"]):
    """A function with the name and the options under which DAGs call it.

    Attributes:
        id: The task's id in the DAG, unless it is called more than once there.
        function: The author's function.
        options: What the author said about it, checked.
        given: The same as it was said.
        manner: What makes it one of a special kind.
        at_the_site: What is called where the task runs: the function, or something around it.
    """

    def __init__(
        self,
        function: Callable[P, R],
        name: str,
        given: dict[str, object],
        place: tuple[str, int],
        manner: Manner = PLAIN,
    ) -> None:
        self.id = name
        self.function = function
        self.options = Options(given, runtime="python", place=place)
        self.given = given
        self.manner = manner
        self.at_the_site: Callable[..., Any] = function if manner.around is None else manner.around(function)
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
