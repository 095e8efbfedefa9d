"""A task with dependencies: its environment is got before it starts, and held for as long as its host lives."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace

from leasehold_agent.environments.getting import (
    EnvironmentRefusedError,
    NoEnvironmentError,
    Site,
    StoppedError,
    asked_for,
    get,
)
from leasehold_agent.environments.rules import rules_from
from leasehold_agent.host.directory import AttemptDirectory
from leasehold_agent.host.launching import RefusedByPolicyError
from leasehold_agent.host.lease import HostLease
from leasehold_agent.runtimes.port import RuntimeMissingError


async def in_environment(
    lease: HostLease, directory: AttemptDirectory, say: Callable[[str], object], stopped: asyncio.Event
) -> HostLease:
    """Return a lease whose interpreter has what the task's bundle asks for; the same one where it asks for nothing.

    When ``stopped`` is set meanwhile the lease comes back as it was.

    Raises:
        RuntimeMissingError: it can't be had at this site.
        RefusedByPolicyError: the site's policy does not let it be made.
    """
    if lease.work.get("kind") != "python":
        return lease
    try:
        wanted = asked_for(lease.bundle_dir)
        if wanted is None or lease.environments is None:
            return lease
        site = Site(
            rules=rules_from(lease.environments),
            python=lease.python,
            allowed=lease.environments_allowed,
            surroundings=os.environ,
            variables={
                "HOME": str(directory.work),
                "TMPDIR": str(directory.temporary),
                "LEASEHOLD_ATTEMPT": lease.attempt,
            },
        )
        ready = await get(wanted, site, say, stopped)
    except StoppedError:
        return lease
    except NoEnvironmentError as problem:
        raise RuntimeMissingError(str(problem)) from None
    except EnvironmentRefusedError as problem:
        raise RefusedByPolicyError(str(problem), concerns="task") from None
    # The hold is never given up: its lock goes with this process, whatever ends it.
    return replace(lease, python=ready.python, has_packages=ready.hold is not None)
