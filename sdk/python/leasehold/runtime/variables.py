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

    Keys = list[str]
    # Named here, for inside the class list is its own method.

_NOTHING = object()


class Variable:
    """The variables that the task declared with ``variables=[…]``."""

    @staticmethod
    def get(
        key: str, default: object = _NOTHING, *, into: Any = None, wait: float | str | timedelta | None = None
    ) -> Any:
        """Return the value of ``key``, or ``default`` when there is no such variable.

        In a script run by hand it comes from the environment (``LEASEHOLD_VAR_<KEY>``, as JSON or plain text), or from
        a file ``leasehold.toml`` beside the script or above it; what was set is kept in memory.

        Args:
            key: The variable's key.
            default: What to return when it does not exist.
            into: The type that is wanted: ``float``, ``bool``, a dataclass, ``list[int]``, … Text that says a number
                is read as one.
            wait: How long to wait while the API is out of reach (default: two minutes).

        Raises:
            UndeclaredError: if the task did not declare it.
            NotFoundError: if it does not exist and there is no ``default``.
            ValueError: if the value does not fit ``into``.
            UnavailableError: if the API stayed out of reach for longer than ``wait``.
        """
        try:
            value = decode(host_or_outside().read(f"/v1/variables/{quote(key)}", wait).get("value"))
        except NotFoundError:
            if default is _NOTHING:
                raise
            return default
        if into is None:
            return value
        from leasehold.runtime.shaping import shaped

        return shaped(value, into, f"Variable {key!r}")

    @staticmethod
    def list(prefix: str = "", *, wait: float | str | timedelta | None = None) -> Keys:
        """Return the keys of the variables there are that begin with ``prefix``, of those that the task declared.

        Declare what begins alike with ``*``: ``variables=["limits/*"]``.

        Args:
            prefix: How the keys begin.
            wait: How long to wait while the API is out of reach (default: two minutes).

        Raises:
            UndeclaredError: if the task declared no variable.
            UnavailableError: if the API stayed out of reach for longer than ``wait``.
        """
        host = host_or_outside()
        keys: Keys = []
        after: object = ""
        while after is not None:
            begin = f"&after={quote(str(after))}" if after else ""
            page: Any = host.read(f"/v1/variables?prefix={quote(prefix)}{begin}", wait)
            keys += page["items"]
            after = page.get("next")
        return keys

    @staticmethod
    def set(key: str, value: object, *, description: str | None = None) -> None:
        """Set ``key`` to ``value`` (anything that may be a task's result).

        Args:
            key: The variable's key.
            value: Its new value.
            description: What it is for; left out: as it was.

        Raises:
            ValueNotSupportedError: if the value can't be stored.
            UndeclaredError: if the task did not declare the variable.
        """
        body: dict[str, object] = {"value": encode(value, f"Variable {key!r}")}
        if description is not None:
            body["description"] = description
        host_or_outside().write("PUT", f"/v1/variables/{quote(key)}", body)

    @staticmethod
    def delete(key: str) -> None:
        """Delete ``key``.

        Raises:
            UndeclaredError: if the task did not declare it.
            NotFoundError: if it does not exist.
        """
        host_or_outside().write("DELETE", f"/v1/variables/{quote(key)}")
