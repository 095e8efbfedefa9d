"""The environment of a task at its place."""

from __future__ import annotations

from leasehold.runtime.rules import programs
from leasehold_agent.runtimes.port import Place


def clean_environment(place: Place) -> dict[str, str]:
    """Return the variables every task gets."""
    return programs.clean_environment(place.surroundings, home=place.work_dir, temporary=place.temporary_dir)
