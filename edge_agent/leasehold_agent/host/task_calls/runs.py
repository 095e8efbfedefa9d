"""What the task may know of runs, of tasks in them and of DAGs, and the runs it starts: the API answers."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from leasehold.runtime.rules.run_questions import OF_PREVIOUS_TASK, OF_TASKS, narrowed_by, of_runs, triggered
from leasehold_agent.host.http_wire import Answer, Request
from leasehold_agent.host.lease import HostLease
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.forwarding import forward
from leasehold_agent.host.task_calls.notes import Notes


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
        return await self._ask(request, f"/v1/runs/{quote(name, safe='')}", of_runs(name))

    async def _task_instances(self, name: str, request: Request) -> Answer:
        if name == "previous":
            query = {"map_index": str(self.lease.map_index), **request.query}
            return await self._ask(request, "/v1/task-instances/previous", OF_PREVIOUS_TASK, query)
        path = f"/v1/task-instances/{quote(name, safe='')}" if name else "/v1/task-instances"
        return await self._ask(request, path, OF_TASKS)

    async def _dag(self, name: str, request: Request) -> Answer:
        return await self._ask(request, f"/v1/dags/{quote(name, safe='')}", ())

    async def _ask(
        self, request: Request, path: str, known: tuple[str, ...], query: dict[str, str] | None = None
    ) -> Answer:
        narrowed = narrowed_by(request.query if query is None else query, known)
        return await forward(self.notes, request, f"{path}?{narrowed}" if narrowed else path)
