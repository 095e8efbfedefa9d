"""Which version this is: what the build of a binary noted, else the distribution's.

Asking for the distribution's metadata would take 40 ms.
"""

from __future__ import annotations

from leasehold_agent.about import build_facts

_VERSION = "0.1.0"


def agent_version() -> str:
    """Return the version of the agent."""
    facts = build_facts()
    return _VERSION if facts is None else str(facts["version"])
