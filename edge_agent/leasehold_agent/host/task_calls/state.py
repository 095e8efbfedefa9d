"""What the task keeps across its tries: writes go to the attempt directory, reads look there first."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import cast
from urllib.parse import quote, urlencode

from leasehold.runtime.rules import kept_state
from leasehold_agent.host import checks
from leasehold_agent.host.http_wire import Answer, Request
from leasehold_agent.host.lease import HostLease
from leasehold_agent.host.spool import Spool
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.forwarding import forward
from leasehold_agent.host.task_calls.notes import Notes


@dataclass(frozen=True, slots=True)
class StateCalls:
    """The API is asked only for what this attempt did not write itself."""

    lease: HostLease
    spool: Spool
    notes: Notes

    def calls(self) -> Calls:
        """Return the paths of this room."""
        return {
            "/v1/state": {"GET": self._keys, "DELETE": self._clear},
            "/v1/state/": {"GET": self._read, "PUT": self._write, "DELETE": self._delete},
        }

    async def _read(self, name: str, request: Request) -> Answer:
        key, state = checks.key(name), self.spool.state
        if state.has(key):
            return Answer.json({"key": key, "value": state.value(key)})
        if state.knows(key) or not self._kept_before:
            raise kept_state.nothing_kept(self.lease.task, key)
        return await forward(self.notes, request, f"/v1/state/{quote(key, safe='')}")

    async def _write(self, name: str, request: Request) -> Answer:
        self._require_new_api()
        key = checks.key(name)
        text, expires_after_s = kept_state.kept(key, request.body)
        await self._require_room(key, request)
        self.spool.state.set(key, json.loads(text), expires_after_s=expires_after_s)
        self.spool.touch()
        return Answer()

    async def _delete(self, name: str, _: Request) -> Answer:
        self._require_new_api()
        self.spool.state.remove(checks.key(name))
        self.spool.touch()
        return Answer()

    async def _clear(self, _: str, __: Request) -> Answer:
        self._require_new_api()
        self.spool.state.clear()
        self.spool.touch()
        return Answer()

    async def _keys(self, _: str, request: Request) -> Answer:
        prefix = kept_state.prefix(request.query.get("prefix", ""))
        if self._kept_before and not self.spool.state.is_cleared:
            answer = await forward(self.notes, request, f"/v1/state?{urlencode({'prefix': prefix})}")
            if answer.status != 200:
                return answer
            before = checks.texts(checks.json_object(answer.body).get("keys"), "keys")
        else:
            before = []
        keys = [key for key in self.spool.state.keys(before) if key.startswith(prefix)]
        return Answer.json({"keys": keys})

    @property
    def _kept_before(self) -> int:
        count = (self.lease.earlier or {}).get("state_keys")
        return count if isinstance(count, int) else 0

    async def _require_room(self, key: str, request: Request) -> None:
        """Refuse one key too many. The API is asked only where the limit may be near."""
        state = self.spool.state
        if state.has(key) or self._kept_before + state.count() < kept_state.MOST_KEYS:
            return
        keys: list[str] = []
        if self._kept_before and not state.is_cleared:
            answer = await forward(self.notes, replace(request, method="GET"), "/v1/state?prefix=")
            found: object = json.loads(answer.body).get("keys") if answer.status == 200 else None
            keys = [str(one) for one in cast("list[object]", found)] if isinstance(found, list) else []
        now = state.keys(keys)
        if key not in now and len(now) >= kept_state.MOST_KEYS:
            raise kept_state.one_too_many(key)

    def _require_new_api(self) -> None:
        if self.lease.earlier is None:
            raise checks.invalid("the API that this site belongs to is too old to keep state: update it")
