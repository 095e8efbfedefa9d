"""``@task.sensor``: a function that looks whether something is there, and is looked through again until it is."""

from __future__ import annotations

from leasehold.authoring.mistakes import AuthoringError, author_place
from leasehold.durations import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from typing import Any

LONGEST_S = 366 * 86400


def looking(
    *,
    poke_every: float | str | timedelta,
    timeout: float | str | timedelta | None,
    soft_fail: bool,
    exponential: bool,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what makes a function a sensor: a falsy result means that it is called again later.

    Raises:
        AuthoringError: if a duration is none.
    """
    how: dict[str, Any] = {
        "poke_every_s": _length("poke_every", poke_every),
        "timeout_s": None if timeout is None else _length("timeout", timeout),
        "soft_fail": soft_fail,
        "exponential": exponential,
    }

    def around(function: Callable[..., Any]) -> Callable[..., Any]:
        def look(*args: object, **kwargs: object) -> object:
            from leasehold.runtime.sensing import looked

            found: Any = function(*args, **kwargs)
            if hasattr(found, "__await__"):
                return _whole(found, {**how, "name": function.__name__})
            return looked(found, name=function.__name__, **how)

        return look

    return around


async def _whole(found: Any, how: dict[str, Any]) -> object:
    from leasehold.runtime.sensing import looked

    return looked(await found, **how)


def _length(name: str, value: float | str | timedelta) -> float:
    try:
        length = seconds(value)
    except ValueError as problem:
        raise AuthoringError(f"{name}={value!r}: {problem}", place=author_place()) from None
    if not 0 < length <= LONGEST_S:
        raise AuthoringError(f"{name}={value!r}: it may be more than 0, up to 366 days", place=author_place())
    return length
