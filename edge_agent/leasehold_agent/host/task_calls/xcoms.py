"""XComs: what the task leaves for others, and what others left for it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from leasehold_agent.host import checks
from leasehold_agent.host.checks import Object
from leasehold_agent.host.http_wire import Answer, RefusedRequestError, Request
from leasehold_agent.host.lease import HostLease
from leasehold_agent.host.spool import Spool, when_there_is_room
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.forwarding import DISK_WAIT_S, forward, wait_s
from leasehold_agent.host.task_calls.notes import Notes
from leasehold_agent.host.task_calls.values import written_value
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
        patience_s = wait_s(request.headers.get("leasehold-wait"), DISK_WAIT_S)
        await when_there_is_room(lambda: self.spool.write_xcom(key, text), patience_s=patience_s)
        return Answer()

    async def _read(self, key: str, request: Request) -> Answer:
        task = request.query.get("task", self.lease.task)
        map_index = _map_index(request.query.get("map_index"))
        if task == self.lease.task and map_index in (None, self.lease.map_index):
            return self._own(checks.key(key))
        if task != self.lease.task and task not in self.lease.upstream:
            cure = f"make it run before this one ({task} >> {self.lease.task}), or pass its result as an argument"
            raise RefusedRequestError(
                403, "not_declared", f"task {task!r} is not upstream of {self.lease.task!r}: {cure}"
            )
        for given in self.lease.inputs:
            if given.inline and (given.task, given.key) == (task, key) and map_index in (None, -1):
                return Answer.json(_xcom(task, key, -1, json.dumps(given.value, ensure_ascii=False).encode()))
        return await forward(self.notes, request, xcom_path(task, key, -1 if map_index is None else map_index))

    def _own(self, key: str) -> Answer:
        text = self.spool.read_xcom(key)
        if text is None:
            raise RefusedRequestError(404, "not_found", f"this task has not written an XCom {key!r} yet")
        return Answer.json(_xcom(self.lease.task, key, self.lease.map_index, text))


def _xcom(task: str, key: str, map_index: int, text: bytes) -> Object:
    return {
        "task": task, "map_index": map_index, "key": key, "size": len(text), "value": json.loads(text), "inline": True,
    }  # fmt: skip


def _map_index(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise checks.invalid(f"map_index must be a whole number, not {text[:40]!r}") from None
