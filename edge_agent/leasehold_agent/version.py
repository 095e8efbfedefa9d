"""Which version this is: the distribution's, known without asking for its metadata, which would take 40 ms."""

from __future__ import annotations

_VERSION = "0.1.0"


def agent_version() -> str:
    """Return the version of the agent."""
    return _VERSION
