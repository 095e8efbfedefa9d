"""The task protocol: which room answers a request of a task (``leasehold_protocol.v1.tasks``)."""

from __future__ import annotations

from collections.abc import Callable

from leasehold.runtime.rules import asking
from leasehold.runtime.rules.masking import Secrets
from leasehold_agent.host import checks
from leasehold_agent.host.checks import Object
from leasehold_agent.host.files import Files
from leasehold_agent.host.http_wire import Answer, RefusedRequestError, Request
from leasehold_agent.host.lease import HostLease
from leasehold_agent.host.numbered import DiskFullError
from leasehold_agent.host.spool import Spool
from leasehold_agent.host.task_calls.assets import AssetCalls
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.context import ContextCalls
from leasehold_agent.host.task_calls.ending import EndingCalls
from leasehold_agent.host.task_calls.files import FileCalls
from leasehold_agent.host.task_calls.if_it_succeeds import IfItSucceeds
from leasehold_agent.host.task_calls.notes import Notes
from leasehold_agent.host.task_calls.runs import RunCalls
from leasehold_agent.host.task_calls.state import StateCalls
from leasehold_agent.host.task_calls.telling import TellingCalls
from leasehold_agent.host.task_calls.xcoms import XComCalls


class TaskApi:
    """Answers the requests of one task."""

    def __init__(
        self,
        *,
        lease: HostLease,
        context: Callable[[], Object],
        spool: Spool,
        files: Files,
        secrets: Secrets,
        notes: Notes,
        if_it_succeeds: IfItSucceeds,
    ) -> None:
        self._context = context
        self._calls: Calls = {
            "/v1/context": {"GET": self._who_it_is},
            **ContextCalls(lease, notes).calls(),
            **XComCalls(lease, spool, files, notes).calls(),
            **FileCalls(lease, files, notes).calls(),
            **RunCalls(lease, notes).calls(),
            **TellingCalls(spool, secrets, notes).calls(),
            **StateCalls(lease, spool, notes).calls(),
            **EndingCalls(lease, notes, if_it_succeeds).calls(),
            **AssetCalls(lease, notes, if_it_succeeds).calls(),
        }

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
        for path, methods in self._calls.items():
            rest = request.path.removeprefix(path) if path.endswith("/") else ""
            if request.path == path + rest and (rest or not path.endswith("/")):
                _allow(request, *methods)
                return await methods[request.method](rest, request)
        raise asking.no_such_call(request.path)

    async def _who_it_is(self, _: str, __: Request) -> Answer:
        return Answer.json(self._context())


def _allow(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise asking.wrong_method(request.path, request.method, *methods)
