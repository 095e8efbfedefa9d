"""What the task tells while it runs: signs of life, metrics, log records, and what to mask."""

from __future__ import annotations

from dataclasses import dataclass

from leasehold.runtime.rules.asking import wait_s
from leasehold.runtime.rules.masking import Secrets
from leasehold.runtime.rules.telling import LONGEST_LABEL, add_secret, heartbeat, label, log_record, metric, one_or_more
from leasehold_agent.host import checks
from leasehold_agent.host.http_wire import Answer, Request
from leasehold_agent.host.lines import record
from leasehold_agent.host.room import when_there_is_room
from leasehold_agent.host.spool import Spool
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.forwarding import DISK_WAIT_S
from leasehold_agent.host.task_calls.notes import Notes


@dataclass(frozen=True, slots=True)
class TellingCalls:
    """All of it ends in the attempt directory, masked."""

    spool: Spool
    secrets: Secrets
    notes: Notes

    def calls(self) -> Calls:
        """Return the paths of this room."""
        return {
            "/v1/heartbeat": {"POST": self._heartbeat},
            "/v1/label": {"POST": self._label},
            "/v1/metrics": {"POST": self._metrics},
            "/v1/log": {"POST": self._log},
            "/v1/mask": {"POST": self._mask},
        }

    async def _heartbeat(self, _: str, request: Request) -> Answer:
        progress, note = heartbeat(request.body)
        self.notes.heartbeat(progress, None if note is None else self.secrets.mask(note))
        return Answer()

    async def _label(self, _: str, request: Request) -> Answer:
        self.notes.label(self.secrets.mask(label(request.body))[:LONGEST_LABEL])
        return Answer()

    async def _metrics(self, _: str, request: Request) -> Answer:
        points = [metric(value) for value in one_or_more(request.body)]
        for point in points:
            point["tags"] = self.secrets.mask_json(point["tags"])
        patience_s = wait_s(request.headers.get("leasehold-wait"), DISK_WAIT_S)
        await when_there_is_room(lambda: self.spool.metrics.append(points), patience_s=patience_s)
        self.spool.touch()
        return Answer()

    async def _log(self, _: str, request: Request) -> Answer:
        lines = b"".join(self._record(value) for value in one_or_more(request.body))
        self.notes.drain()
        self.spool.log.append(lines)
        self.spool.touch()
        return Answer()

    def _record(self, value: object) -> bytes:
        at, level, message, fields = log_record(value)
        shown = checks.json_text(self.secrets.mask_json(fields)) if fields else b""
        return record(at, level, self.secrets.mask(message), shown)

    async def _mask(self, _: str, request: Request) -> Answer:
        add_secret(request.body, self.secrets)
        return Answer()
