"""Variables: small settings shared by a team's DAGs, read and written by key."""

from __future__ import annotations

import os

from leasehold.errors import NotFoundError, RefusedError
from leasehold.runtime.host import current_host
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

        In a script run by hand it comes from the environment: ``LEASEHOLD_VAR_<KEY>``, as JSON or plain text.

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
            if host := current_host():
                return decode(host.read(f"/v1/variables/{quote(key)}", wait).get("value"))
            return _from_environment(key)
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
        if host := current_host():
            return host.write("PUT", f"/v1/variables/{quote(key)}", {"value": encode(value, f"Variable {key!r}")})
        raise RefusedError(f"no task is running here, so that Variable.set({key!r}, …) has nowhere to go")

    @staticmethod
    def delete(key: str) -> None:
        """Delete ``key``.

        Raises:
            UndeclaredError: if the task did not declare it.
            NotFoundError: if it does not exist.
        """
        if host := current_host():
            return host.write("DELETE", f"/v1/variables/{quote(key)}")
        raise RefusedError(f"no task is running here, so that Variable.delete({key!r}) has nothing to delete")


def _from_environment(key: str) -> object:
    import json

    from leasehold.runtime.connections import environment_name

    name = f"LEASEHOLD_VAR_{environment_name(key)}"
    if name not in os.environ:
        raise NotFoundError(f"no task is running here, and {name} is not set: put the variable's value there")
    try:
        return decode(json.loads(os.environ[name]))
    except ValueError:
        return os.environ[name]
