"""``hello``: who is here, on what machine, and which attempts are still on this disk."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import datetime

from leasehold_protocol import PROTOCOL_VERSION
from leasehold_protocol.v1.agents import AttemptOnDisk, Hello, HostFacts, PolicyFacts
from leasehold_protocol.v1.health import AgentHealth

MOST_ATTEMPTS = 20_000
"""What one greeting may name."""


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
    on_disk: list[AttemptOnDisk],
    *,
    version: str,
    slots: int,
    labels: Mapping[str, str],
    runtimes: list[str],
    pythons: list[str] | None,
    host: HostFacts,
    paused_because: list[str],
    health: AgentHealth,
    policy: PolicyFacts | None,
    asked_at: datetime,
) -> Hello:
    """Return the greeting. ``slots`` is the operator's wish; ``asked_at`` the time by the server's clock."""
    return Hello(
        agent_version=version,
        protocol_min=1,
        protocol_max=PROTOCOL_VERSION,
        slots=slots,
        labels=dict(labels),
        runtimes=runtimes,
        pythons=pythons,
        host=host,
        attempts=on_disk[:MOST_ATTEMPTS],
        names_all=len(on_disk) <= MOST_ATTEMPTS,
        paused_because=paused_because,
        health=health,
        policy=policy,
        asked_at=asked_at,
    )
