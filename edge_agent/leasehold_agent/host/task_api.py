"""The task protocol: what each request of a task does (``leasehold_protocol.v1.tasks``)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from leasehold_agent.host import checks
from leasehold_agent.host.checks import Object, invalid
from leasehold_agent.host.endings import Said
from leasehold_agent.host.http_wire import Answer, RefusedRequestError, Request
from leasehold_agent.host.lease import HostLease
from leasehold_agent.host.lines import record
from leasehold_agent.host.masking import Secrets, SecretTooShortError
from leasehold_agent.host.spool import DiskFullError, Spool
from leasehold_agent.host.task_context import xcom_path

RESULT_KEY = "return_value"
READ_WAIT_S = 60.0
"""How long a read waits for the API when the task does not say (``Leasehold-Wait``)."""

_MOST_AT_ONCE = 5000


class Notes(Protocol):
    """What the host keeps of a task's own words, and the ways out of the process."""

    def heartbeat(self, progress: float | None, note: str | None) -> None:
        """Remember a sign of life, for the next renewal."""
        ...

    def say_ending(self, said: Said) -> None:
        """Remember how the task says it ends."""
        ...

    async def ask(self, method: str, path: str, body: object = None) -> Object:
        """Ask the API through the agent, waiting for both."""
        ...

    def drain(self) -> None:
        """Take what the task has printed so far, so that a record lands behind it."""
        ...


@dataclass(slots=True, kw_only=True)
class TaskApi:
    """Answers the requests of one task."""

    lease: HostLease
    context: Callable[[], Object]
    spool: Spool
    secrets: Secrets
    notes: Notes

    async def answer(self, request: Request) -> Answer:
        """Return the answer to one request.

        Raises:
            RefusedRequestError: if it can't have one.
        """
        checks.task_protocol(request.headers.get("leasehold-task-protocol"))
        try:
            return await self._route(request)
        except DiskFullError:
            detail = "the disk of this site is full: free some space, then try again"
            raise RefusedRequestError(503, "unavailable", detail) from None

    async def _route(self, request: Request) -> Answer:
        path = request.path
        if (action := self._fixed().get(path)) is not None:
            method, act = action
            _allow(request, method)
            return act(request)
        if path == "/v1/id-token":
            _allow(request, "POST")
            return await self._forward(request, path, {"audience": checks.audience(request.body)})
        for prefix, methods in self._keyed().items():
            if path.startswith(prefix) and len(path) > len(prefix):
                _allow(request, *methods)
                return await methods[request.method](path[len(prefix) :], request)
        raise RefusedRequestError(
            404, "not_found", f"there is no {path} here; the calls are listed in the task protocol"
        )

    def _fixed(self) -> dict[str, tuple[str, Callable[[Request], Answer]]]:
        return {
            "/v1/context": ("GET", self._context),
            "/v1/result": ("PUT", lambda request: self._write_xcom(RESULT_KEY, request)),
            "/v1/ending": ("PUT", self._ending),
            "/v1/heartbeat": ("POST", self._heartbeat),
            "/v1/metrics": ("POST", self._metrics),
            "/v1/log": ("POST", self._log),
            "/v1/mask": ("POST", self._mask),
        }

    def _keyed(self) -> dict[str, dict[str, Callable[[str, Request], Awaitable[Answer]]]]:
        return {
            "/v1/connections/": {"GET": self._connection},
            "/v1/variables/": {"GET": self._variable, "PUT": self._variable, "DELETE": self._variable},
            "/v1/xcoms/": {"GET": self._read_xcom, "PUT": self._put_xcom},
        }

    def _context(self, _: Request) -> Answer:
        return Answer.json(self.context())

    async def _connection(self, name: str, request: Request) -> Answer:
        if name not in self.lease.connections:
            cure = f'add connections=["{name}"] to the task and deploy again'
            raise RefusedRequestError(
                403, "not_declared", f"task {self.lease.task} did not declare connection {name!r}: {cure}"
            )
        return await self._forward(request, f"/v1/connections/{quote(name, safe='')}")

    async def _variable(self, name: str, request: Request) -> Answer:
        if name not in self.lease.variables:
            cure = f'add variables=["{name}"] to the task and deploy again'
            raise RefusedRequestError(
                403, "not_declared", f"task {self.lease.task} did not declare variable {name!r}: {cure}"
            )
        body = None
        if request.method == "PUT":
            body = {"value": json.loads(checks.written_value(request.body))}
        return await self._forward(request, f"/v1/variables/{quote(name, safe='')}", body)

    async def _put_xcom(self, key: str, request: Request) -> Answer:
        return self._write_xcom(checks.key(key), request)

    def _write_xcom(self, key: str, request: Request) -> Answer:
        self.spool.write_xcom(key, checks.written_value(request.body))
        return Answer()

    async def _read_xcom(self, key: str, request: Request) -> Answer:
        task = request.query.get("task", self.lease.task)
        map_index = _map_index(request.query.get("map_index"))
        if task == self.lease.task and map_index in (None, self.lease.map_index):
            return self._own_xcom(checks.key(key))
        if task != self.lease.task and task not in self.lease.upstream:
            cure = f"make it run before this one ({task} >> {self.lease.task}), or pass its result as an argument"
            raise RefusedRequestError(
                403, "not_declared", f"task {task!r} is not upstream of {self.lease.task!r}: {cure}"
            )
        for given in self.lease.inputs:
            if given.inline and (given.task, given.key) == (task, key) and map_index in (None, -1):
                return Answer.json(_xcom(task, key, -1, json.dumps(given.value, ensure_ascii=False).encode()))
        return await self._forward(request, xcom_path(task, key, -1 if map_index is None else map_index))

    def _own_xcom(self, key: str) -> Answer:
        text = self.spool.read_xcom(key)
        if text is None:
            raise RefusedRequestError(404, "not_found", f"this task has not written an XCom {key!r} yet")
        return Answer.json(_xcom(self.lease.task, key, self.lease.map_index, text))

    def _ending(self, request: Request) -> Answer:
        self.notes.say_ending(checks.said(request.body))
        return Answer()

    def _heartbeat(self, request: Request) -> Answer:
        progress, note = checks.heartbeat(request.body)
        self.notes.heartbeat(progress, None if note is None else self.secrets.mask(note))
        return Answer()

    def _metrics(self, request: Request) -> Answer:
        points = [checks.metric(value) for value in _one_or_more(request.body)]
        for point in points:
            point["tags"] = self.secrets.mask_json(point["tags"])
        self.spool.metrics.append(points)
        self.spool.touch()
        return Answer()

    def _log(self, request: Request) -> Answer:
        lines = b"".join(self._record(value) for value in _one_or_more(request.body))
        self.notes.drain()
        self.spool.log.append(lines)
        self.spool.touch()
        return Answer()

    def _record(self, value: object) -> bytes:
        at, level, message, fields = checks.log_record(value)
        shown = checks.json_text(self.secrets.mask_json(fields)) if fields else b""
        return record(at, level, self.secrets.mask(message), shown)

    def _mask(self, request: Request) -> Answer:
        value = checks.json_object(request.body).get("value")
        if not isinstance(value, str):
            raise invalid('the body must be {"value": "…"}')
        try:
            self.secrets.add(value)
        except (SecretTooShortError, UnicodeEncodeError) as problem:
            raise invalid(str(problem)) from None
        return Answer()

    async def _forward(self, request: Request, path: str, body: object = None) -> Answer:
        """Let the API answer, through the agent, for as long as the task is willing to wait."""
        wait_s = checks.wait_s(request.headers.get("leasehold-wait"), READ_WAIT_S)
        try:
            found = await asyncio.wait_for(self.notes.ask(request.method, path, body), wait_s)
        except TimeoutError:
            cure = "try again later, or wait longer with the header Leasehold-Wait: <seconds>"
            detail = f"the API could not be asked within {wait_s:g} s (an outage, or the agent restarts): {cure}"
            raise RefusedRequestError(503, "unavailable", detail) from None
        return _forwarded(found)


def _forwarded(found: Object) -> Answer:
    status, body = found.get("status"), found.get("body")
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise RefusedRequestError(500, "internal", "the agent answered without a status")
    if status == 204:
        return Answer()
    media_type = "application/json" if status < 400 else "application/problem+json"
    return Answer(status=status, body=json.dumps(body, ensure_ascii=False).encode(), media_type=media_type)


def _one_or_more(body: bytes) -> list[object]:
    value = checks.json_value(body)
    if not isinstance(value, list):
        return [value]
    if len(value) > _MOST_AT_ONCE:
        raise invalid(f"more than {_MOST_AT_ONCE} at once: send them in several requests")
    return list[object](value)


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
        raise invalid(f"map_index must be a whole number, not {text[:40]!r}") from None


def _allow(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise RefusedRequestError(
            405, "method_not_allowed", f"{request.path} takes {', '.join(methods)}, not {request.method}"
        )
