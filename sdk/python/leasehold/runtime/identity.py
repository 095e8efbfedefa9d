"""Who this task is, proved to others: tokens that clouds, vaults and databases can check, with no secret stored."""

from __future__ import annotations

from leasehold.runtime.host import host_or_outside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta


def id_token(audience: str, *, wait: float | str | timedelta | None = None) -> str:
    """Return an OpenID Connect token, signed by the API, that says which team, site, DAG, task and run this is.

    It is good for a few minutes: ask when it is needed, exchange it, and ask again for the next one. It is masked in
    the log.

    Args:
        audience: Who shall believe it, as declared with ``id_tokens=[…]``.
        wait: How long to wait while the API is out of reach (default: two minutes).

    Raises:
        UndeclaredError: if the task did not declare the audience.
        UnavailableError: if the API stayed out of reach for longer than ``wait``.
        RefusedError: if the audience can't be one, or no task is running here.
    """
    return str(host_or_outside().ask("/v1/id-token", {"audience": audience}, wait)["token"])
