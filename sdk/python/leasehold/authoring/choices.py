"""``@task.branch`` and ``@task.short_circuit``: functions whose result decides which of the tasks after them run."""

from __future__ import annotations

from leasehold.authoring.functions import Manner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def branching() -> Manner:
    """Return what makes a function a branch."""
    return Manner(around=_deciding(lambda found, name: _runtime().branched(found, name=name)), is_branch=True)


def short_circuiting(*, ignore_downstream_trigger_rules: bool) -> Manner:
    """Return what makes a function a short circuit."""
    return Manner(
        around=_deciding(lambda found, _: _runtime().short_circuited(found)),
        entry={"skips": "all"} if ignore_downstream_trigger_rules else {},
    )


def _runtime() -> Any:
    from leasehold.runtime import choosing

    return choosing


def _deciding(decide: Callable[[object, str], object]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def around(function: Callable[..., Any]) -> Callable[..., Any]:
        def choose(*args: object, **kwargs: object) -> object:
            found: Any = function(*args, **kwargs)
            if hasattr(found, "__await__"):
                return _whole(found, decide, function.__name__)
            return decide(found, function.__name__)

        return choose

    return around


async def _whole(found: Any, decide: Callable[[object, str], object], name: str) -> object:
    return decide(await found, name)
