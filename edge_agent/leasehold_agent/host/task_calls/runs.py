"""What the task may know of runs, of tasks in them and of DAGs, and the runs it starts: the API answers."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from leasehold.runtime.rules.written_values import written_value
from leasehold_agent.host import checks
from leasehold_agent.host.checks import Object
from leasehold_agent.host.http_wire import Answer, Request
from leasehold_agent.host.lease import HostLease
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.forwarding import forward
from leasehold_agent.host.task_calls.notes import Notes

_OF_RUNS = ("dag", "run", "state", "logical_date")
_OF_PREVIOUS = ("dag", "before", "state")
_OF_TASKS = ("dag", "run", "logical_date", "task", "state", "map_index")
_OF_PREVIOUS_TASK = ("dag", "task", "map_index", "before", "state")
_OF_A_TRIGGER = ("dag", "params", "logical_date", "key")


@dataclass(frozen=True, slots=True)
class RunCalls:
    """The API says what the task may ask for: its own DAG, and those that it declared."""

    lease: HostLease
    notes: Notes

    def calls(self) -> Calls:
        """Return the paths of this room."""
        return {
            "/v1/runs": {"POST": self._trigger},
            "/v1/runs/": {"GET": self._runs},
            "/v1/task-instances": {"GET": self._task_instances},
            "/v1/task-instances/": {"GET": self._task_instances},
            "/v1/dags/": {"GET": self._dag},
        }

    async def _trigger(self, _: str, request: Request) -> Answer:
        return await forward(self.notes, request, "/v1/runs", triggered(request.body))

    async def _runs(self, name: str, request: Request) -> Answer:
        known = {"previous": _OF_PREVIOUS, "count": _OF_RUNS}.get(name, ("wait_s",))
        return await self._ask(request, f"/v1/runs/{quote(name, safe='')}", known)

    async def _task_instances(self, name: str, request: Request) -> Answer:
        if name == "previous":
            query = {"map_index": str(self.lease.map_index), **request.query}
            return await self._ask(request, "/v1/task-instances/previous", _OF_PREVIOUS_TASK, query)
        path = f"/v1/task-instances/{quote(name, safe='')}" if name else "/v1/task-instances"
        return await self._ask(request, path, _OF_TASKS)

    async def _dag(self, name: str, request: Request) -> Answer:
        return await self._ask(request, f"/v1/dags/{quote(name, safe='')}", ())

    async def _ask(
        self, request: Request, path: str, known: tuple[str, ...], query: dict[str, str] | None = None
    ) -> Answer:
        narrowed = narrowed_by(request.query if query is None else query, known)
        return await forward(self.notes, request, f"{path}?{narrowed}" if narrowed else path)


def narrowed_by(query: dict[str, str], known: tuple[str, ...]) -> str:
    """Return the query as the API is asked.

    Raises:
        RefusedRequestError: 422, if it has a name that would be passed over: the answer would be to another question.
    """
    if unknown := [name for name in query if name not in known]:
        there_is = ", ".join(known) or "nothing"
        raise checks.invalid(f"this can't be narrowed down by {checks.shown(unknown[0])}; there is: {there_is}")
    return urlencode({name: query[name] for name in known if name in query})


def triggered(body: bytes) -> Object:
    """Return a ``TaskTrigger``.

    Raises:
        RefusedRequestError: if the body is none.
    """
    fields = checks.json_object(body)
    if unknown := [name for name in fields if name not in _OF_A_TRIGGER]:
        raise checks.invalid(f"a run has no {checks.shown(unknown[0])}; there is: {', '.join(_OF_A_TRIGGER)}")
    if not isinstance(fields.get("dag"), str):
        raise checks.invalid('the body must be {"dag": "…"}, and may have params, logical_date and key')
    params = checks.as_object(fields.get("params") or {}, "params")
    written_value(checks.json_text({"value": params}))  # refuses what would not arrive as it is
    return {**{name: value for name, value in fields.items() if value is not None}, "params": params}
