"""XComs: what the task leaves for others, and what others left for it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from leasehold.runtime.rules import asking
from leasehold.runtime.rules.written_values import written_value
from leasehold_agent.host import checks
from leasehold_agent.host.checks import Object
from leasehold_agent.host.http_wire import Answer, Request
from leasehold_agent.host.lease import HostLease
from leasehold_agent.host.room import when_there_is_room
from leasehold_agent.host.spool import Spool
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.forwarding import DISK_WAIT_S, forward
from leasehold_agent.host.task_calls.notes import Notes
from leasehold_agent.host.task_context import xcom_path

RESULT_KEY = "return_value"


@dataclass(frozen=True, slots=True)
class XComCalls:
    """Writes go to the attempt directory; reads of other tasks' values to the API, unless the lease brought them."""

    lease: HostLease
    spool: Spool
    notes: Notes

    def calls(self) -> Calls:
        """Return the paths of this room."""
        return {"/v1/result": {"PUT": self._result}, "/v1/xcoms/": {"GET": self._read, "PUT": self._write}}

    async def _result(self, _: str, request: Request) -> Answer:
        return await self._keep(RESULT_KEY, request)

    async def _write(self, key: str, request: Request) -> Answer:
        return await self._keep(checks.key(key), request)

    async def _keep(self, key: str, request: Request) -> Answer:
        text = written_value(request.body)
        patience_s = asking.wait_s(request.headers.get("leasehold-wait"), DISK_WAIT_S)
        await when_there_is_room(lambda: self.spool.write_xcom(key, text), patience_s=patience_s)
        return Answer()

    async def _read(self, key: str, request: Request) -> Answer:
        task = request.query.get("task", self.lease.task)
        map_index = asking.map_index(request.query.get("map_index"))
        if task == self.lease.task and map_index in (None, self.lease.map_index):
            return self._own(checks.key(key))
        if task != self.lease.task and task not in self.lease.upstream:
            raise asking.not_upstream(task, self.lease.task)
        for given in self.lease.inputs:
            if given.inline and (given.task, given.key) == (task, key) and map_index in (None, -1):
                return Answer.json(_xcom(task, key, -1, json.dumps(given.value, ensure_ascii=False).encode()))
        return await forward(self.notes, request, xcom_path(task, key, -1 if map_index is None else map_index))

    def _own(self, key: str) -> Answer:
        text = self.spool.read_xcom(key)
        if text is None:
            raise asking.not_written(key)
        return Answer.json(_xcom(self.lease.task, key, self.lease.map_index, text))


def _xcom(task: str, key: str, map_index: int, text: bytes) -> Object:
    return {
        "task": task, "map_index": map_index, "key": key, "size": len(text), "value": json.loads(text), "inline": True,
    }  # fmt: skip
