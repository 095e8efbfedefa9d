"""Whether a DAG can run by itself, by what its manifest says."""

from __future__ import annotations

from leasehold_api.dags.schema import with_defaults
from leasehold_api.errors import InvalidRequestError
from leasehold_api.schedules import times
from leasehold_protocol.v1.manifest import Manifest


def check_schedule(manifest: Manifest) -> None:
    """Refuse a manifest whose schedule can't be kept.

    Raises:
        InvalidRequestError: saying what is wrong with it.
    """
    if manifest.schedule is None:
        return
    times.check(manifest.schedule)
    if manifest.schedule.continuous and manifest.max_active_runs != 1:
        raise InvalidRequestError("manifest.schedule: a continuous schedule has max_active_runs=1")
    try:
        with_defaults(manifest.params_schema, {})
    except InvalidRequestError as problem:
        raise InvalidRequestError(
            f"manifest.schedule: nobody gives a run parameters that begins by itself: {problem.detail}"
        ) from None
