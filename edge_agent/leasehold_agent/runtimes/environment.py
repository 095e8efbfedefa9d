"""The environment of a task: an allow-list, so that nothing of the agent's own leaks into it."""

from __future__ import annotations

from collections.abc import Mapping

from leasehold_agent.runtimes.port import Place

_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LANG", "LANGUAGE", "TZ")
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def clean_environment(place: Place) -> dict[str, str]:
    """Return the variables every task gets: PATH and LD_LIBRARY_PATH, HOME, TMPDIR, the locale and the time zone."""
    return {**passed_on(place.surroundings), "HOME": place.work_dir, "TMPDIR": place.temporary_dir}


def passed_on(given: Mapping[str, str]) -> dict[str, str]:
    """Return what all tasks of this site get alike."""
    passed = {name: value for name, value in given.items() if name in _PASSED_ON or name.startswith("LC_")}
    return {"PATH": _DEFAULT_PATH, **passed}
