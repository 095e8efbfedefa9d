"""Which version this is, without importing anything heavy."""

from __future__ import annotations


def agent_version() -> str:
    """Return the installed version of the agent."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("leasehold-agent")
    except PackageNotFoundError:
        return "0+unknown"
