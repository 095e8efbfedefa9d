"""``edge-agent environments``: what is installed for tasks with dependencies."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from datetime import UTC, datetime
from typing import cast

from leasehold_agent.commands.settings import settings_from
from leasehold_agent.environments.cache import EnvironmentCache, Found
from leasehold_agent.exits import Exit, OperatorError

_MIB = 1024 * 1024


def list_all(arguments: Namespace) -> Exit:
    """Print one line per environment, the longest unused first."""
    cache = _cache(arguments)
    found = [(one, cache.is_used(one.key)) for one in cache]
    if arguments.json:
        sys.stdout.write(json.dumps([_document(one, is_used=is_used) for one, is_used in found], indent=2) + "\n")
        return Exit.OK
    if not found:
        sys.stdout.write("No environment is here: one is built when the first task with dependencies comes.\n")
    for one, is_used in found:
        state = "in use" if is_used else f"used {_when(one)}"
        packages = ", ".join(_packages(one))
        sys.stdout.write(
            f"{one.key[:12]}  Python {one.facts.get('python')}  {one.size / _MIB:6.1f} MiB  {state}  {packages}\n"
        )
    return Exit.OK


def remove(arguments: Namespace) -> Exit:
    """Remove one environment, or all that are not in use; they are built again when they are wanted."""
    cache = _cache(arguments)
    found = list(cache)
    if not arguments.all and not arguments.environment:
        raise OperatorError(Exit.USAGE, "Nothing is named.", "Name an environment, or say --all.")
    chosen = found if arguments.all else [one for one in found if one.key.startswith(arguments.environment)]
    if not arguments.all and len(chosen) != 1:
        what = "There is no environment" if not chosen else "There is more than one environment"
        raise OperatorError(
            Exit.NOT_FOUND, f"{what} {arguments.environment!r}.", "edge-agent environments list names those that are."
        )
    kept = [one for one in chosen if not cache.remove(one.key)]
    for one in chosen:
        sys.stdout.write(f"{one.key[:12]}  {'in use, kept' if one in kept else 'removed'}\n")
    if kept and not arguments.all:
        raise OperatorError(
            Exit.NOT_FOUND, "It is in use by a running attempt.", "Wait for that: edge-agent attempts list"
        )
    return Exit.OK


def _cache(arguments: Namespace) -> EnvironmentCache:
    return EnvironmentCache(settings_from(arguments).settings.state_dir / "environments")


def _document(one: Found, *, is_used: bool) -> dict[str, object]:
    return {"environment": one.key, "used_at": _when(one), "is_used": is_used, **one.facts}


def _when(one: Found) -> str:
    return datetime.fromtimestamp(one.used_at, UTC).isoformat(timespec="seconds")


def _packages(one: Found) -> list[str]:
    packages = one.facts.get("packages")
    return [str(each) for each in cast("list[object]", packages)] if isinstance(packages, list) else []
