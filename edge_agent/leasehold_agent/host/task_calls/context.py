"""What the task is given by its site: connections, variables, identity tokens."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from leasehold_agent.host import checks
from leasehold_agent.host.checks import Object
from leasehold_agent.host.http_wire import Answer, RefusedRequestError, Request
from leasehold_agent.host.lease import HostLease
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.forwarding import forward
from leasehold_agent.host.task_calls.notes import Notes
from leasehold_agent.host.task_calls.values import written_value

_AUDIENCE = re.compile(r"[!#-\[\]-~]{1,255}")


@dataclass(frozen=True, slots=True)
class ContextCalls:
    """The API answers, if the task declared what it asks for."""

    lease: HostLease
    notes: Notes

    def calls(self) -> Calls:
        """Return the paths of this room."""
        return {
            "/v1/connections/": {"GET": self._connection},
            "/v1/variables": {"GET": self._variables},
            "/v1/variables/": {"GET": self._variable, "PUT": self._variable, "DELETE": self._variable},
            "/v1/id-token": {"POST": self._id_token},
        }

    async def _connection(self, name: str, request: Request) -> Answer:
        if name not in self.lease.connections:
            raise self._undeclared("connection", name)
        return await forward(self.notes, request, f"/v1/connections/{quote(name, safe='')}")

    async def _variable(self, name: str, request: Request) -> Answer:
        if not any(_fits(name, declared) for declared in self.lease.variables):
            raise self._undeclared("variable", name)
        body = _variable_write(request.body) if request.method == "PUT" else None
        return await forward(self.notes, request, f"/v1/variables/{quote(name, safe='')}", body)

    async def _variables(self, _: str, request: Request) -> Answer:
        prefix, after = request.query.get("prefix", ""), request.query.get("after", "")
        if not self.lease.variables:
            raise self._undeclared("variable", f"{prefix}*")
        given = {name: value for name, value in (("prefix", prefix), ("after", after)) if value}
        return await forward(self.notes, request, f"/v1/variables?{urlencode(given)}")

    async def _id_token(self, _: str, request: Request) -> Answer:
        return await forward(self.notes, request, "/v1/id-token", {"audience": audience(request.body)})

    def _undeclared(self, kind: str, name: str) -> RefusedRequestError:
        cure = f'add {kind}s=["{name}"] to the task and deploy again'
        return RefusedRequestError(
            403, "not_declared", f"task {self.lease.task} did not declare {kind} {name!r}: {cure}"
        )


def _fits(key: str, declared: str) -> bool:
    """Say whether a key is the one that was declared, or begins as it says with ``*`` at its end."""
    return key.startswith(declared[:-1]) if declared.endswith("*") else key == declared


def _variable_write(body: bytes) -> Object:
    """Return a ``VariableWrite``.

    Raises:
        RefusedRequestError: if the body is none.
    """
    value = written_value(body)
    description = checks.maybe_text(checks.json_object(body), "description")
    return {"value": json.loads(value), **({} if description is None else {"description": description})}


def audience(body: bytes) -> str:
    """Return whom an identity token shall be for.

    Raises:
        RefusedRequestError: if the body does not say.
    """
    value = checks.json_object(body).get("audience")
    if not isinstance(value, str) or not _AUDIENCE.fullmatch(value):
        raise checks.invalid('the body must be {"audience": "…"}: 1 to 255 ASCII letters and signs, no space, " or \\')
    return value
