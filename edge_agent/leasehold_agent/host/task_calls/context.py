"""What the task is given by its site: connections, variables, identity tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote

from leasehold.runtime.rules.asking import audience, undeclared
from leasehold.runtime.rules.written_values import written_value
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
            "/v1/variables/": {"GET": self._variable, "PUT": self._variable, "DELETE": self._variable},
            "/v1/id-token": {"POST": self._id_token},
        }

    async def _connection(self, name: str, request: Request) -> Answer:
        if name not in self.lease.connections:
            raise undeclared(self.lease.task, "connection", name)
        return await forward(self.notes, request, f"/v1/connections/{quote(name, safe='')}")

    async def _variable(self, name: str, request: Request) -> Answer:
        if name not in self.lease.variables:
            raise undeclared(self.lease.task, "variable", name)
        body = None
        if request.method == "PUT":
            body = {"value": json.loads(written_value(request.body))}
        return await forward(self.notes, request, f"/v1/variables/{quote(name, safe='')}", body)

    async def _id_token(self, _: str, request: Request) -> Answer:
        return await forward(self.notes, request, "/v1/id-token", {"audience": audience(request.body)})
