"""What an author may say about a DAG's runs as a whole: who hears how they end, and how long they are kept."""

from __future__ import annotations

from leasehold.authoring.options import check_name
from leasehold.durations import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from leasehold.authoring.options import Duration

    Targets = str | Sequence[str]

_DAY_S = 86400.0
_MOST_DAYS = 36500
_MOST_TARGETS = 10
EVENTS = ("on_failure", "on_success", "on_retry")


def upkeep_of(*, retention: Duration | None, **hooks: Targets | None) -> dict[str, Any]:
    """Return the fields of the manifest.

    Raises:
        ValueError: naming the option, what is wrong with it, and the cure.
    """
    made: dict[str, Any] = {}
    if retention is not None:
        try:
            days = seconds(retention) / _DAY_S
        except ValueError as problem:
            raise ValueError(f"retention={retention!r}: {problem}") from None
        if not 0 < days <= _MOST_DAYS:
            raise ValueError(f"retention={retention!r}: say how long runs are kept, like '90d', at most {_MOST_DAYS}d")
        made["retention_days"] = days
    for event in EVENTS:
        if targets := _targets(event, hooks.get(event)):
            made[event] = targets
    return made


def _targets(event: str, given: object) -> list[str]:
    if given is None:
        return []
    listed: list[object] = list(given) if isinstance(given, list | tuple) else [given]
    if len(listed) > _MOST_TARGETS:
        raise ValueError(f"{event}: {len(listed)} targets are more than {_MOST_TARGETS}; let one tell the others")
    return [_target(event, each) for each in listed]


def _target(event: str, target: object) -> str:
    cure = "name a connection, or write an address like 'https://hooks.example.org/leasehold'"
    if not isinstance(target, str) or not target:
        raise ValueError(f"{event}={target!r} is no target: {cure}")
    if "://" not in target:
        try:
            return check_name(target)
        except ValueError:
            raise ValueError(f"{event}={target!r} is neither an address nor a name: {cure}") from None
    scheme, _, rest = target.partition("://")
    if scheme not in {"https", "http"}:
        raise ValueError(f"{event}: {scheme}:// can't be told anything: {cure}")
    authority = rest.partition("/")[0]
    if not authority or any(character.isspace() for character in target):
        raise ValueError(f"{event}: this is no address: {cure}")
    if "@" in authority or "?" in rest:
        # The manifest is no place for secrets: everybody in the team reads it.
        raise ValueError(
            f"{event}: an address in a DAG may have no name, password or query in it, for everybody in the team can "
            "read it: put it into a connection, and name that here"
        )
    return target
