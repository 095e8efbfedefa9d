"""What a branch or a short circuit decides: which of the tasks directly after it are skipped."""

from __future__ import annotations

from leasehold.runtime.endings import Fail
from leasehold.runtime.flow import skip_downstream
from leasehold.runtime.host import current_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def branched(found: object, *, name: str) -> object:
    """Skip what a branch does not follow, and return its result: a task id, a list of them, or None for nothing.

    Raises:
        Fail: if it names what is not directly after it, or something that is no name.
    """
    names = _names(found, name)
    several = isinstance(found, list | tuple | set | frozenset)
    told: object = names if several else (names[0] if names else None)
    host = current_host()
    if host is None:
        return told
    context: Mapping[str, Any] = host.read("/v1/context")
    task, downstream = str(context.get("task")), [str(each) for each in context.get("downstream", ())]
    follows = context.get("work", {}).get("follows")
    if follows is None:  # a test of this task alone: there may be nothing to follow
        if not downstream:
            return told
        follows = {each: [each] for each in downstream}
    run: set[str] = set()
    for each in names:
        there = resolved(each, follows, task=task)
        if there is None:
            raise Fail(_unknown(each, follows, task))
        run.update(follows[there])
    if skipped := [each for each in downstream if each not in run]:
        skip_downstream(*skipped)
    return told


def short_circuited(found: object) -> object:
    """Skip what comes after a short circuit if its result is falsy, and return the result."""
    host = current_host()
    context: Mapping[str, Any] = {} if found or host is None else host.read("/v1/context")
    if downstream := context.get("downstream"):
        skip_downstream(*downstream)
    return found


def resolved(name: str, follows: Mapping[str, object], *, task: str) -> str | None:
    """Return what a branch means by ``name``: a task or group of its own group may be named without the group."""
    around = task
    while around:
        around = around.rpartition(".")[0]
        whole = f"{around}.{name}" if around else name
        if whole in follows:
            return whole
    return None


def _names(found: object, branch: str) -> list[str]:
    names: list[str] = []
    for each in found if isinstance(found, list | tuple | set | frozenset) else [] if found is None else [found]:
        # A task itself stands for its id.
        name = each if isinstance(each, str) else getattr(each, "id", None)
        if not isinstance(name, str):
            raise Fail(
                f"the branch {branch} returned {each!r} ({type(each).__name__}): it returns the id of a task or group "
                "to follow, a list of them, or None to follow nothing"
            )
        names.append(name)
    return sorted(names) if isinstance(found, set | frozenset) else names


def _unknown(name: str, follows: Mapping[str, object], task: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, follows, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    there_are = f"there are {', '.join(follows)}" if follows else "nothing comes after it"
    return f"the branch {task} returned {name!r}, which is not directly after it: {hint}{there_are}"
