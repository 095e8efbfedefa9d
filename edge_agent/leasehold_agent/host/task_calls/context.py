"""What the task is given by its site: connections, variables, identity tokens."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from leasehold.runtime.rules.asking import audience, declares, undeclared, variable_write
from leasehold_agent.host.http_wire import Answer, Request
from leasehold_agent.host.lease import HostLease
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.forwarding import forward
from leasehold_agent.host.task_calls.notes import Notes


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
            raise undeclared(self.lease.task, "connection", name)
        return await forward(self.notes, request, f"/v1/connections/{quote(name, safe='')}")

    async def _variable(self, name: str, request: Request) -> Answer:
        if not declares(self.lease.variables, name):
            raise undeclared(self.lease.task, "variable", name)
        body = variable_write(request.body) if request.method == "PUT" else None
        return await forward(self.notes, request, f"/v1/variables/{quote(name, safe='')}", body)

    async def _variables(self, _: str, request: Request) -> Answer:
        prefix, after = request.query.get("prefix", ""), request.query.get("after", "")
        if not self.lease.variables:
            raise undeclared(self.lease.task, "variable", f"{prefix}*")
        given = {name: value for name, value in (("prefix", prefix), ("after", after)) if value}
        return await forward(self.notes, request, f"/v1/variables?{urlencode(given)}")

    async def _id_token(self, _: str, request: Request) -> Answer:
        return await forward(self.notes, request, "/v1/id-token", {"audience": audience(request.body)})
