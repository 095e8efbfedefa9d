"""Variables: small settings shared by a team's DAGs, read and written by key."""

from __future__ import annotations

from leasehold.errors import NotFoundError
from leasehold.runtime.host import host_or_outside
from leasehold.runtime.values import decode, encode
from leasehold.runtime.wire import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta
    from typing import Any

_NOTHING = object()


class Variable:
    """The variables that the task declared with ``variables=[…]``."""

    @staticmethod
    def get(key: str, default: object = _NOTHING, *, wait: float | str | timedelta | None = None) -> Any:
        """Return the value of ``key``, or ``default`` when there is no such variable.

        In a script run by hand it comes from the environment (``LEASEHOLD_VAR_<KEY>``, as JSON or plain text), or from
        a file ``leasehold.toml`` beside the script or above it; what was set is kept in memory.

        Args:
            key: The variable's key.
            default: What to return when it does not exist.
            wait: How long to wait while the API is out of reach (default: two minutes).

        Raises:
            UndeclaredError: if the task did not declare it.
            NotFoundError: if it does not exist and there is no ``default``.
            UnavailableError: if the API stayed out of reach for longer than ``wait``.
        """
        try:
            return decode(host_or_outside().read(f"/v1/variables/{quote(key)}", wait).get("value"))
        except NotFoundError:
            if default is _NOTHING:
                raise
            return default

    @staticmethod
    def set(key: str, value: object) -> None:
        """Set ``key`` to ``value`` (anything that may be a task's result).

        Raises:
            ValueNotSupportedError: if the value can't be stored.
            UndeclaredError: if the task did not declare the variable.
        """
        body = {"value": encode(value, f"Variable {key!r}")}
        host_or_outside().write("PUT", f"/v1/variables/{quote(key)}", body)

    @staticmethod
    def delete(key: str) -> None:
        """Delete ``key``.

        Raises:
            UndeclaredError: if the task did not declare it.
            NotFoundError: if it does not exist.
        """
        host_or_outside().write("DELETE", f"/v1/variables/{quote(key)}")
