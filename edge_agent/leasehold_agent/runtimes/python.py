"""The ``python`` runtime: an interpreter, warm or fresh, with the standard library, the SDK and the DAG's bundle."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from leasehold_agent.runtimes.environment import clean_environment
from leasehold_agent.runtimes.port import Launch, Place, RuntimeMissingError, Warm

# The SDK is imported before the bundle goes in front, so that an author's `json.py` shadows nothing the SDK needs.
_BOOTSTRAP = """\
import sys
sys.path.insert(0, {sdk!r})
from leasehold.child import main
sys.path[:0] = {bundle!r}
sys.exit(main())
"""


class PythonRuntime:
    """Runs ``@task`` functions."""

    def prepare(self, work: Mapping[str, object], context: Mapping[str, object], place: Place) -> Launch:
        """See ``Runtime.prepare``."""
        del context  # the child reads it from the host, decoded only there
        python, sdk = place.python, place.sdk_path
        if python is None or not Path(python).exists():
            raise RuntimeMissingError(
                f"the python runtime of this site has no interpreter at {python}: set the agent's `python` to one"
            )
        if sdk is None or not Path(sdk, "leasehold").is_dir():
            raise RuntimeMissingError(f"the SDK is not at {sdk}: the agent's installation is incomplete, install again")
        if place.bundle_dir is not None and not Path(place.bundle_dir).is_dir():
            raise RuntimeMissingError(f"the DAG's bundle is not at {place.bundle_dir}: it was removed while leased")
        bundle = [place.bundle_dir] if place.bundle_dir else []
        bootstrap = _BOOTSTRAP.format(sdk=sdk, bundle=bundle)
        argv = (*interpreter_command(python, has_packages=place.has_packages), bootstrap)
        warm = None
        if work.get("isolation") != "fresh" and not shadows(place.bundle_dir):
            warm = Warm(python=python, sdk=sdk, bundle=place.bundle_dir, has_packages=place.has_packages)
        env = clean_environment(place)
        if place.has_packages:  # commands that packages bring
            env["PATH"] = f"{Path(python).parent}:{env['PATH']}"
        return Launch(argv=argv, env=env, cwd=place.work_dir, warm=warm)


def interpreter_command(python: str, *, has_packages: bool) -> tuple[str, ...]:
    """Return the beginning of a command line, up to the code that it is given."""
    # Without packages nothing of what is installed on the machine is to be seen, and `site` costs milliseconds.
    return (python, "-I", *(() if has_packages else ("-S",)), "-X", "utf8", "-c")


def shadows(bundle: str | None) -> bool:
    """Whether a bundle has a module of a standard library's name.

    A fresh interpreter lets it go before the library's own, unless the SDK has imported that; a warm one, which has
    imported more, would not.
    """
    names = os.listdir(bundle) if bundle else []  # noqa: PTH208 - names are all that is needed, at every start
    return any(name.partition(".")[0] in sys.stdlib_module_names for name in names)
