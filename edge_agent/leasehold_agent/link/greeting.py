"""``hello``: who is here, on what machine, and which attempts are still on this disk."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping

from leasehold_agent.attempts.roster import Held, Phase
from leasehold_protocol import PROTOCOL_VERSION
from leasehold_protocol.v1.agents import AttemptOnDisk, AttemptState, Hello, HostFacts, PolicyFacts

RUNTIMES = ["python", "program"]


def host_facts() -> HostFacts:
    """Return what people like to know about this machine."""
    return HostFacts(
        hostname=platform.node(),
        os=platform.system().lower(),
        arch=platform.machine(),
        cpus=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        python=platform.python_version(),
    )


def compose_hello(
    held: list[Held],
    *,
    version: str,
    slots: int,
    labels: Mapping[str, str],
    host: HostFacts,
    policy: PolicyFacts | None = None,
) -> Hello:
    """Return the greeting. ``slots`` is the operator's wish."""
    return Hello(
        agent_version=version,
        protocol_min=1,
        protocol_max=PROTOCOL_VERSION,
        slots=slots,
        labels=dict(labels),
        runtimes=RUNTIMES,
        host=host,
        attempts=[AttemptOnDisk(attempt=one.attempt, state=_state(one)) for one in held],
        policy=policy,
    )


def _state(held: Held) -> AttemptState:
    if held.phase is Phase.DELIVERING:
        return AttemptState.LOST if held.found is AttemptState.LOST else AttemptState.ENDED
    return AttemptState.RUNNING
