"""The environment of a task: an allow-list, so that nothing of the agent's own leaks into it."""

from __future__ import annotations

from collections.abc import Mapping

from leasehold_agent.runtimes.port import Place

_PASSED_ON = ("PATH", "LANG", "LANGUAGE", "TZ")
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def clean_environment(place: Place) -> dict[str, str]:
    """Return the variables every task gets: PATH, HOME, TMPDIR, the locale and the time zone."""
    given = place.surroundings
    passed = {name: value for name, value in given.items() if name in _PASSED_ON or name.startswith("LC_")}
    return {
        "PATH": _DEFAULT_PATH,
        **passed,
        **_library_path(given),
        "HOME": place.work_dir,
        "TMPDIR": place.temporary_dir,
    }


def _library_path(given: Mapping[str, str]) -> dict[str, str]:
    """Undo what a frozen binary does: it points the loader at its own libraries and keeps the site's value aside."""
    original = given.get("LD_LIBRARY_PATH_ORIG")
    return {"LD_LIBRARY_PATH": original} if original else {}
