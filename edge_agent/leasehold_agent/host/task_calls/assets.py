"""Assets: what the task may know of its inlets and outlets, what it keeps with them, and what their events say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from leasehold.runtime.rules import assets as rules
from leasehold.runtime.rules.run_questions import narrowed_by
from leasehold.runtime.rules.written_values import written_value
from leasehold_agent.host import checks
from leasehold_agent.host.http_wire import Answer, RefusedRequestError, Request
from leasehold_agent.host.lease import HostLease
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.forwarding import forward
from leasehold_agent.host.task_calls.if_it_succeeds import IfItSucceeds
from leasehold_agent.host.task_calls.notes import Notes

_ONE = ("name", "uri")
_EVENTS = ("alias", "after", "before", "limit", "ascending")


@dataclass(frozen=True, slots=True)
class AssetCalls:
    """The API answers for what the task declared; what events say stays here until the task has succeeded."""

    lease: HostLease
    notes: Notes
    if_it_succeeds: IfItSucceeds

    def calls(self) -> Calls:
        """Return the paths of this room."""
        return {
            "/v1/asset": {"GET": self._asset},
            "/v1/assets": {"GET": self._of_alias},
            "/v1/asset-events": {"GET": self._events},
            "/v1/outlet-events": {"POST": self._outlet_event},
            "/v1/asset-state": {"GET": self._state, "DELETE": self._state},
            "/v1/asset-state/": {"GET": self._state, "PUT": self._state, "DELETE": self._state},
        }

    async def _asset(self, _: str, request: Request) -> Answer:
        narrowed_by(request.query, _ONE)
        return await self._forward(request, "/v1/asset", {"name": self._named(request)})

    async def _of_alias(self, _: str, request: Request) -> Answer:
        narrowed_by(request.query, ("alias",))
        return await self._forward(request, "/v1/assets", {"alias": self._alias(request)})

    async def _events(self, _: str, request: Request) -> Answer:
        narrowed_by(request.query, (*_ONE, *_EVENTS))
        whose = {"alias": self._alias(request)} if "alias" in request.query else {"name": self._named(request)}
        rest = {name: request.query[name] for name in _EVENTS[1:] if name in request.query}
        return await self._forward(request, "/v1/asset-events", {**whose, **rest})

    async def _outlet_event(self, _: str, request: Request) -> Answer:
        self.if_it_succeeds.outlet_events.take(
            request.body, task=self.lease.task, outlets=self.lease.outlets, aliases=self.lease.outlet_aliases
        )
        return Answer()

    async def _state(self, name: str, request: Request) -> Answer:
        narrowed_by(request.query, _ONE if name or request.method != "GET" else (*_ONE, "prefix"))
        asset = self._named(request)
        if request.method != "GET" and asset not in {outlet.name for outlet in self.lease.outlets}:
            raise rules.only_read(self.lease.task, asset)
        path = f"/v1/asset-state/{quote(checks.key(name), safe='')}" if name else "/v1/asset-state"
        prefix = {"prefix": request.query["prefix"]} if "prefix" in request.query else {}
        body = _value(name, request.body) if request.method == "PUT" else None
        return await self._forward(request, path, {"name": asset, **prefix}, body)

    def _named(self, request: Request) -> str:
        declared = (*self.lease.inlets, *self.lease.outlets)
        return rules.named(request.query, task=self.lease.task, declared=declared)

    def _alias(self, request: Request) -> str:
        declared = (*self.lease.inlet_aliases, *self.lease.outlet_aliases)
        return rules.alias_named(request.query, task=self.lease.task, declared=declared)

    async def _forward(self, request: Request, path: str, query: dict[str, str], body: object = None) -> Answer:
        return await forward(self.notes, request, f"{path}?{urlencode(query)}", body)


def _value(key: str, body: bytes) -> dict[str, object]:
    text = written_value(body)
    if len(text) > rules.STATE_VALUE_BYTES:
        cure = "keep less, or put it into a store and keep its place"
        detail = f"{key}: {len(text)} bytes are too many for an asset's state (64 KiB): {cure}"
        raise RefusedRequestError(413, "body_too_large", detail)
    return {"value": json.loads(text)}
