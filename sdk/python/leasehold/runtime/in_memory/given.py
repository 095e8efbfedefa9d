"""What a host in memory has to give: the port, and its form with Python objects."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Protocol

from leasehold.errors import LeaseholdError, NotFoundError, NotGrantedError, UnavailableError, UndeclaredError
from leasehold.runtime.connection_uris import parse
from leasehold.runtime.in_memory.given_runs import GivenRuns
from leasehold.runtime.in_memory.runs import Runs
from leasehold.runtime.in_memory.xcoms import GivenXComs, XComs
from leasehold.runtime.rules.asking import api_out_of_reach
from leasehold.runtime.rules.refusals import RefusedRequestError

FIELDS = ("conn_type", "host", "login", "password", "port", "schema", "extra")
"""The fields of a connection."""

_CODES: tuple[tuple[type[LeaseholdError], int, str], ...] = (
    (UndeclaredError, 403, "not_declared"),
    (NotGrantedError, 403, "not_granted"),
    (NotFoundError, 404, "not_found"),
    (UnavailableError, 503, "unavailable"),
    (LeaseholdError, 422, "invalid_request"),
)


class Given(Protocol):
    """What the API would answer. Errors of ``leasehold.errors`` are the API's refusals."""

    @property
    def runs(self) -> Runs:
        """What there is to know about runs."""
        ...

    def connection(self, name: str) -> Mapping[str, object]:
        """Return a connection's fields."""
        ...

    def variable(self, key: str) -> object:
        """Return a variable's value, encoded."""
        ...

    def set_variable(self, key: str, value: object) -> None:
        """Keep a variable's encoded value."""
        ...

    def delete_variable(self, key: str) -> None:
        """Forget a variable."""
        ...

    def variable_keys(self, prefix: str) -> list[str]:
        """Return the keys of variables that begin with ``prefix``."""
        ...

    @property
    def left(self) -> XComs:
        """What other tasks left."""
        ...

    def id_token(self, audience: str) -> str:
        """Return an identity token."""
        ...


def connection_fields(name: str, value: object) -> Mapping[str, object]:
    """Return the fields of a connection that is given as a ``Connection``, as a URI, or as a dictionary of fields.

    Raises:
        LeaseholdError: ``value`` itself, if it is an error: so asks a test for a refusal.
        ValueError: if it is none of these.
    """
    match value:
        case LeaseholdError():
            raise value
        case str():
            return parse(value)
        case Mapping():
            unknown = sorted(str(key) for key in value if key not in (*FIELDS, "id"))
            if unknown or "conn_type" not in value:
                wrong = f"has no field {unknown[0]!r}" if unknown else "needs a conn_type"
                raise ValueError(f"the connection {name!r} {wrong}: a connection has {', '.join(FIELDS)}")
            return {field: value[field] for field in FIELDS if field in value}
        case _ if hasattr(value, "conn_type"):
            return {field: getattr(value, field) for field in FIELDS}
        case _:
            raise ValueError(f"the connection {name!r} is {value!r}: give a Connection, a URI or a dictionary")


def refusal(problem: LeaseholdError, wait_s: float) -> RefusedRequestError:
    """Return what the host answers when the API's answer is ``problem``."""
    if isinstance(problem, UnavailableError):
        return api_out_of_reach(wait_s)
    status, code = next((status, code) for kind, status, code in _CODES if isinstance(problem, kind))
    return RefusedRequestError(status, code, str(problem))


class GivenObjects:
    """What a test gives its tasks: dictionaries, of which variables are written to."""

    def __init__(
        self,
        *,
        connections: Mapping[str, object] | None = None,
        variables: MutableMapping[str, object] | None = None,
        xcoms: Mapping[tuple[str, str, int], object] | None = None,
        id_tokens: Mapping[str, str] | None = None,
        runs: Runs | None = None,
        earlier: Mapping[tuple[str, str, str, int], object] | None = None,
    ) -> None:
        self.connections = {name: _known(name, value) for name, value in (connections or {}).items()}
        self.variables: MutableMapping[str, object] = {} if variables is None else variables
        self.left = GivenXComs(xcoms, earlier)
        self.id_tokens: Mapping[str, str] = id_tokens or {}
        self.runs: Runs = runs or GivenRuns()

    def connection(self, name: str) -> Mapping[str, object]:
        """See ``Given``."""
        if name not in self.connections:
            raise NotFoundError(f'there is no connection {name!r}: give the test one, connections={{"{name}": …}}')
        return connection_fields(name, self.connections[name])

    def variable(self, key: str) -> object:
        """See ``Given``."""
        if key not in self.variables:
            raise NotFoundError(f'there is no variable {key!r}: give the test one, variables={{"{key}": …}}')
        value = self.variables[key]
        if isinstance(value, LeaseholdError):
            raise value
        return value

    def set_variable(self, key: str, value: object) -> None:
        """See ``Given``."""
        self.variables[key] = value

    def delete_variable(self, key: str) -> None:
        """See ``Given``."""
        if key not in self.variables:
            raise NotFoundError(f"there is no variable {key!r}")
        del self.variables[key]

    def variable_keys(self, prefix: str) -> list[str]:
        """See ``Given``."""
        return sorted(key for key in self.variables if key.startswith(prefix))

    def id_token(self, audience: str) -> str:
        """See ``Given``."""
        return self.id_tokens.get(audience) or f"test.token-for-{audience}.unsigned"


def _known(name: str, value: object) -> object:
    """Return ``value`` if it can be a connection; what can't is said when the test begins, not when a task asks."""
    if not isinstance(value, LeaseholdError):
        connection_fields(name, value)
    return value
