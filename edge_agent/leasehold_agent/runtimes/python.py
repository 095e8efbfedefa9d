"""The ``python`` runtime: a fresh interpreter that sees the standard library, the SDK and the DAG's bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from leasehold_agent.runtimes.environment import clean_environment
from leasehold_agent.runtimes.port import Launch, Place, RuntimeMissingError

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
        del work, context  # the child reads them from the host, decoded only there
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
        argv = (python, "-I", "-S", "-X", "utf8", "-c", bootstrap)
        return Launch(argv=argv, env=clean_environment(place), cwd=place.work_dir)
