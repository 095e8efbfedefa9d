"""XComs: what the task leaves for others, and what others left for it."""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path

from leasehold.runtime.rules import asking
from leasehold.runtime.rules.mapped import length_of
from leasehold.runtime.rules.written_values import written
from leasehold_agent.host import checks
from leasehold_agent.host.checks import Object
from leasehold_agent.host.files import Files
from leasehold_agent.host.http_wire import LARGE_BODY, SMALL_BODY, Answer, Request
from leasehold_agent.host.lease import HostLease
from leasehold_agent.host.received import receive
from leasehold_agent.host.room import when_there_is_room
from leasehold_agent.host.spool import Spool
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.forwarding import DISK_WAIT_S, answered, asked
from leasehold_agent.host.task_calls.large_values import checked
from leasehold_agent.host.task_calls.notes import Notes
from leasehold_agent.host.task_context import mapped_path, xcom_path

RESULT_KEY = "return_value"


@dataclass(frozen=True, slots=True)
class XComCalls:
    """Writes go to the attempt directory; reads of other tasks' values to the API, unless the lease brought them."""

    lease: HostLease
    spool: Spool
    files: Files
    notes: Notes
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Large values: while one is checked its text is in memory."""
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def calls(self) -> Calls:
        """Return the paths of this room."""
        return {
            "/v1/result": {"PUT": self._result},
            "/v1/xcoms/": {"GET": self._read, "PUT": self._write, "DELETE": self._delete},
            "/v1/mapped-xcoms/": {"GET": self._read_mapped},
        }

    async def _result(self, _: str, request: Request) -> Answer:
        return await self._keep(RESULT_KEY, request)

    async def _write(self, key: str, request: Request) -> Answer:
        return await self._keep(checks.key(key), request)

    async def _delete(self, key: str, _: Request) -> Answer:
        if not self.spool.delete_xcom(checks.key(key)):
            raise asking.not_written(key)
        return Answer()

    async def _keep(self, key: str, request: Request) -> Answer:
        body, patience_s = request.stream, asking.wait_s(request.headers.get("leasehold-wait"), DISK_WAIT_S)
        if body.length is not None and body.length <= SMALL_BODY:
            await self._keep_text(key, await body.whole(SMALL_BODY), patience_s)
            return Answer()
        aside = self.spool.xcom_dir / f".body-{next(self._numbers)}"
        size, _ = await receive(body, aside, limit=LARGE_BODY)
        try:
            if size <= SMALL_BODY:
                await self._keep_text(key, aside.read_bytes(), patience_s)
            else:
                async with self._one_at_a_time:
                    await self._keep_large(key, aside, patience_s)
        finally:
            aside.unlink()
        return Answer()

    async def _keep_large(self, key: str, body: Path, patience_s: float) -> None:
        value = body.with_name(body.name + ".value")
        found = await asyncio.to_thread(checked, body, value)
        if found is None:
            await self._keep_text(key, await asyncio.to_thread(body.read_bytes), patience_s)
        else:
            size, sha256, length = found
            self.spool.take_xcom(key, value, size=size, sha256=sha256, length=length)

    async def _keep_text(self, key: str, body: bytes, patience_s: float) -> None:
        value = written(body)
        files = self.files.named_in(value) if b"$type" in body or rb"\u0024" in body else {}
        text = checks.json_text(value)
        length = length_of(value)
        await when_there_is_room(lambda: self.spool.write_xcom(key, text, files, length), patience_s=patience_s)

    async def _read(self, key: str, request: Request) -> Answer:
        task, map_index = request.query.get("task", self.lease.task), _whole(request, "map_index")
        run, prior = request.query.get("run"), _flag(request, "include_prior")
        if not prior and self._is_this_run(run):
            if task == self.lease.task and map_index in (None, self.lease.map_index):
                return self._own(checks.key(key))
            self._require_upstream(task)
            if (given := self._came_with_lease(task, key, map_index)) is not None:
                return given
        wanted = -1 if map_index is None else map_index
        found = await asked(self.notes, request, xcom_path(task, key, wanted, run=run, include_prior=prior))
        if isinstance(name := found.get("file"), str):
            return await self._from_disk(found.get("body"), self.files.fetched(name))
        answer = answered(found)
        self.files.give(answer.body)
        return answer

    async def _read_mapped(self, key: str, request: Request) -> Answer:
        task, run = request.query.get("task", self.lease.task), request.query.get("run")
        if self._is_this_run(run) and task != self.lease.task:
            self._require_upstream(task)
        offset, limit = _whole(request, "offset"), _whole(request, "limit")
        answer = answered(await asked(self.notes, request, mapped_path(task, key, offset, limit, run=run)))
        self.files.give(answer.body)
        return answer

    def _is_this_run(self, run: str | None) -> bool:
        return run in (None, self.lease.run.get("run"))

    def _require_upstream(self, task: str) -> None:
        if task != self.lease.task and task not in self.lease.upstream:
            raise asking.not_upstream(task, self.lease.task)

    def _came_with_lease(self, task: str, key: str, map_index: int | None) -> Answer | None:
        for given in self.lease.inputs:
            named = (given.task, given.key) == (task, key) and not given.is_mapped
            if given.inline and named and map_index in (None, -1):
                text = json.dumps(given.value, ensure_ascii=False).encode()
                return _spliced(_facts(task, key, -1, len(text)), text)
        return None

    def _own(self, key: str) -> Answer:
        path = self.spool.find_xcom(key)
        if path is None:
            raise asking.not_written(key)
        return _spliced(_facts(self.lease.task, key, self.lease.map_index, path.stat().st_size), path)

    async def _from_disk(self, facts: object, path: Path) -> Answer:
        """Answer with a value that was too large to come through the agent's line: the agent put it there."""
        await asyncio.to_thread(self.files.give_file, path)
        told = checks.as_object(facts, "the agent's answer")
        return _spliced({name: value for name, value in told.items() if name != "value"} | {"inline": True}, path)


def _facts(task: str, key: str, map_index: int, size: int) -> Object:
    return {"task": task, "map_index": map_index, "key": key, "size": size, "inline": True}


def _spliced(facts: Object, text: bytes | Path) -> Answer:
    """Return an ``XComValue`` whose value is JSON text, perhaps in a file: it is not read to be written again."""
    return Answer(status=200, body=json.dumps(facts).encode()[:-1] + b', "value": ', more=(text, b"}"))


def _whole(request: Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise checks.invalid(f"{name} must be a whole number, not {text[:40]!r}") from None


def _flag(request: Request, name: str) -> bool:
    text = request.query.get(name, "false")
    if text not in ("true", "false"):
        raise checks.invalid(f"{name} must be true or false, not {text[:40]!r}")
    return text == "true"
