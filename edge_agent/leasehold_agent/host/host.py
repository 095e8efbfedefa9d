"""The attempt host: starts one task, keeps what it says, ends it in time, and knows how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from dataclasses import asdict, replace
from secrets import token_urlsafe
from typing import cast

from leasehold.runtime.rules.endings import Ending, Said, Stop, decide
from leasehold.runtime.rules.masking import Secrets, SecretTooShortError
from leasehold.runtime.rules.program_results import ResultCapture
from leasehold_agent import fault_points
from leasehold_agent.host import checks, instants
from leasehold_agent.host.checks import Object
from leasehold_agent.host.control import Control
from leasehold_agent.host.deadline import Deadline
from leasehold_agent.host.directory import AttemptDirectory
from leasehold_agent.host.ending_document import ending_document
from leasehold_agent.host.files import Files
from leasehold_agent.host.given import Given
from leasehold_agent.host.in_environment import in_environment
from leasehold_agent.host.inputs import Inputs
from leasehold_agent.host.launching import (
    RefusedByPolicyError,
    environment,
    permitted,
    prepared,
    why_no_container,
    why_not_started,
)
from leasehold_agent.host.lease import HostLease, given_values
from leasehold_agent.host.output import Output
from leasehold_agent.host.printed_result import keep_printed
from leasehold_agent.host.rendering import rendered
from leasehold_agent.host.spool import Spool
from leasehold_agent.host.task_api import TaskApi
from leasehold_agent.host.task_calls.if_it_succeeds import IfItSucceeds
from leasehold_agent.host.task_context import task_context
from leasehold_agent.host.task_process import TaskProcess, warmth
from leasehold_agent.host.task_socket import TaskSocket
from leasehold_agent.host.told_to_go import ToldToGo
from leasehold_agent.host.version import HOST_VERSION
from leasehold_agent.host.warm.door import WarmDoor
from leasehold_agent.runtimes.port import Launch, RuntimeMissingError, WorkRefusedError

GRACE_S = 10.0
"""From SIGTERM to SIGKILL, unless whoever stops the task says otherwise."""

_STOP_KINDS = ("cancelled", "lease_expired", "lost", "refused", "timed_out")
_LEASE_EXPIRED = (
    "the lease ended before it could be renewed: the API was out of reach for longer than the task's max_offline"
)
_SHUTTING_DOWN = "the attempt host was told to end by {name}, as when the machine shuts down"
_KEEPER_LOST = "the process above the task was killed: nobody knows how the task ended"


class Host:
    """One attempt's host; the working directory of its process is the attempt directory."""

    def __init__(self, directory: AttemptDirectory, lease: HostLease, warm: WarmDoor | None = None) -> None:
        self._directory = directory
        self._lease = lease
        self._loop = asyncio.get_running_loop()
        self._secrets = Secrets()
        self._spool = Spool(directory, log_limit=lease.log_bytes, grew=lambda: self._control.tell(self._growth()))
        self._given = Given(self._mask)
        self._files = Files(directory.path, given=given_values(lease))
        self._control = Control(hello=lambda: [self._hello(), self._growth()], heard=self._hear)
        self._process = TaskProcess(warmth(warm, lease.run.get("team"), self._say))
        self._stopped = asyncio.Event()
        self._stop: Stop | None = None
        self._said: Said | None = None
        self._inputs = Inputs(lease)
        self._sign_of_life: Object = {"progress": None, "note": None, "label": None}
        self._started_at: str | None = None
        self._if_it_succeeds = IfItSucceeds()
        self._begun = self._loop.time()
        self._ended = False
        self._told_to_go = ToldToGo(self._loop, lambda name: self.stop("lost", _SHUTTING_DOWN.format(name=name)))
        self._deadline = Deadline(lambda left_s: self.stop("lease_expired", _LEASE_EXPIRED, grace_s=left_s))

    async def run(self, control: socket.socket) -> Object:
        """Run the task to its end and return ``ending.json``: everything else is on disk then.

        Args:
            control: The listening ``host.sock``.
        """
        await self._control.serve(control)
        self._deadline.set(self._lease.deadline_boottime_s)
        secret = token_urlsafe(32)
        self._secrets.add(secret)
        server = TaskSocket(secret=secret, answer=self._task_api().answer)
        await server.serve(self._directory.listen("task.sock"))
        ending = await self._work(secret)
        server.close()
        self._deadline.close()
        await self._spool.settled()
        self._ended = True
        self._spool.finish()
        return self._as_written(ending)

    @property
    def team_without_secrets(self) -> str | None:
        """Whose attempt it is; None when a secret, beside the socket's own, was or could be here."""
        knew = self._lease.connections or self._lease.variables or self._secrets.told > 1
        return None if knew else str(self._lease.run.get("team"))

    def close(self) -> None:
        """Give back files and signals; nothing may be under way any more."""
        self._told_to_go.close()
        self._spool.close()

    async def tell_end(self) -> None:
        """Tell the agent that ``ending.json`` is there."""
        self._control.tell(self._growth())
        self._control.tell({"tell": "ended"})
        await self._control.close()

    def stop(self, kind: str, reason: str | None, *, grace_s: float = GRACE_S) -> None:
        """End the task; the first reason counts, a later one can only shorten the grace."""
        if self._ended:
            return
        if self._stop is None:
            self._stop = Stop(kind=kind, reason=reason)
            self._stopped.set()
            self._say(f"stopping the task ({kind}): {reason or 'no reason given'}")
        self._process.end_by(self._loop.time() + grace_s)

    # What the task's requests reach (task_calls.notes.Notes).

    def heartbeat(self, progress: float | None, note: str | None) -> None:
        """See ``Notes``."""
        if progress is not None:
            self._sign_of_life["progress"] = progress
        if note is not None:
            self._sign_of_life["note"] = note
        self._spool.touch()

    def label(self, text: str) -> None:
        """See ``Notes``."""
        self._sign_of_life["label"] = text
        self._spool.touch()

    def say_ending(self, said: Said) -> None:
        """See ``Notes``."""
        self._said = said

    def runs_for_s(self) -> float:
        """See ``Notes``."""
        return self._loop.time() - self._begun

    async def ask(self, method: str, path: str, body: object = None) -> Object:
        """See ``Notes``. Secrets in the answer are masked from here on: before the task can print them."""
        if (given := self._given.answer(method, path)) is not None:
            return given
        answer = await self._control.ask(method, path, body)
        secrets = answer.get("secrets")
        self._mask(cast("list[object]", secrets) if isinstance(secrets, list) else [])
        return answer

    def drain(self) -> None:
        """See ``Notes``."""
        self._process.drain()

    # One task's way from its lease to its ending.

    async def _work(self, secret: str) -> Ending:
        try:
            lease = self._lease
            if self._stop is None and lease.inactive_assets is None:
                await self._inputs.fetch(self.ask, self._stopped, self._files.value, self._say)
                lease = await in_environment(lease, self._directory, self._say, self._stopped)
            if self._stop is not None:
                return Ending(kind=self._stop.kind, message=self._stop.reason)
            if self._lease.inactive_assets is not None:
                return self._not_started("failed_for_good", self._lease.inactive_assets)
            self._inputs.choose(self._context())
            if (label := self._inputs.label(self._context())) is not None:
                self.label(self._secrets.mask(label))
            context = self._context()
            launch = permitted(prepared(lease, context, self._directory), lease, context)
            capture = ResultCapture(launch.result)
            await self._start(launch, secret, capture)
        except RuntimeMissingError as problem:
            return self._not_started("could_not_start", str(problem))
        except WorkRefusedError as problem:
            return self._not_started("failed", str(problem))
        except RefusedByPolicyError as problem:
            return self._refused(problem)
        return await self._see_through(launch, capture)

    async def _see_through(self, launch: Launch, capture: ResultCapture) -> Ending:
        timeout = self._arm_timeout()
        status = await self._process.exited()
        if status is None:
            self.stop("lost", _KEEPER_LOST, grace_s=0)
        stop = self._stop  # what comes later changes nothing: the task has ended by itself
        if timeout is not None:
            timeout.cancel()
        if stop is None and (left := await self._process.leftovers()):
            self._say(f"the task ended and left processes behind, which are killed: {', '.join(left)}")
        if stop is None:
            self._process.end_by(self._loop.time(), gently=False)
        await self._process.gone()
        if stop is None and (reason := why_no_container(launch, status)):
            return self._not_started("could_not_start", reason)
        problem = await keep_printed(capture, self._spool) if status == 0 and stop is None else None
        return decide(wait_status=status, stop=stop, said=self._said, result_problem=problem)

    async def _start(self, launch: Launch, secret: str, capture: ResultCapture) -> None:
        socket_path = self._directory.task_socket(os.getpid())
        env = environment(launch, self._lease, socket_path=socket_path, secret=secret)
        stdout = Output("stdout", spool=self._spool, secrets=self._secrets, capture=capture)
        stderr = Output("stderr", spool=self._spool, secrets=self._secrets)
        self._started_at = instants.now()
        try:
            memory = self._lease.memory_bytes if launch.contained is None else None
            pid = await self._process.start(launch, env=env, stdout=stdout, stderr=stderr, memory=memory)
        except (OSError, ValueError) as problem:
            self._started_at = None
            raise RuntimeMissingError(why_not_started(launch, problem)) from None
        fault_points.reach("host.task.started.before-facts")
        with contextlib.suppress(OSError):  # a task may have filled the disk already; its work goes on without
            self._directory.write_host(pid=os.getpid(), version=HOST_VERSION, task_pid=pid)

    def _task_api(self) -> TaskApi:
        return TaskApi(
            lease=self._lease,
            context=self._context,
            spool=self._spool,
            files=self._files,
            secrets=self._secrets,
            notes=self,
            if_it_succeeds=self._if_it_succeeds,
        )

    def _not_started(self, kind: str, message: str) -> Ending:
        self._say(f"the task was not started: {message}")
        return Ending(kind=kind, message=message)

    def _refused(self, reason: RefusedByPolicyError) -> Ending:
        """Return the ending of a task that the site's policy does not allow, as is known only now."""
        ending = self._not_started("refused", f"refused by the site's policy: {reason}")
        return replace(ending, refusal={"policy": self._lease.policy or "none", "concerns": reason.concerns})

    def _arm_timeout(self) -> asyncio.TimerHandle | None:
        limit_s = self._lease.timeout_s
        if limit_s is None:
            return None
        reason = f"the task ran longer than its timeout of {limit_s:g} s"
        return self._loop.call_later(limit_s, lambda: self.stop("timed_out", reason))

    def _as_written(self, ending: Ending) -> Object:
        if shown := rendered(self._lease.work, self._context(), self._secrets.mask):
            self._directory.write_rendered(shown)
        beside: Object = {
            "label": self._sign_of_life["label"],
            **(self._if_it_succeeds.said(self._secrets.mask_json) if ending.kind == "success" else {}),
            "started_at": self._started_at,
            "usage": self._process.usage() if self._started_at else None,
        }
        return ending_document(ending, self._spool, self._secrets, beside=beside)

    def _context(self) -> Object:
        return task_context(
            self._lease,
            work_dir=str(self._directory.work),
            fetched=self._inputs.fetched,
            item=self._inputs.item,
            running_for_s=self.runs_for_s(),
        )

    # What the agent says and is told.

    def _hello(self) -> Object:
        return {"tell": "hello", "attempt": self._lease.attempt, "version": HOST_VERSION, "state": "running"}

    def _growth(self) -> Object:
        return {"tell": "grew", **asdict(self._spool.durable), **self._sign_of_life}

    def _hear(self, message: Object) -> None:
        reason = checks.words(message.get("reason"))
        match message:
            case {"do": "renewed", "deadline_boottime_s": int() | float() as deadline_s}:
                self._deadline.set(deadline_s)
            case {"do": "cancel"}:
                self.stop("cancelled", reason, grace_s=checks.seconds(message.get("grace_s"), GRACE_S))
            case {"do": "stop", "kind": str(kind)} if kind in _STOP_KINDS:
                self.stop(kind, reason, grace_s=checks.seconds(message.get("grace_s"), GRACE_S))
            case {"do": "given", "answers": dict(answers)}:
                self._given.take(cast("Object", answers))
            case {"do": "mask", "values": list(values)}:
                self._mask(values)
            case _:
                raise ValueError("no such message, or not of this shape")

    def _mask(self, secrets: list[object]) -> None:
        for secret in secrets:
            try:
                self._secrets.add(str(secret))
            except (SecretTooShortError, UnicodeEncodeError) as problem:
                self._say(str(problem))

    def _say(self, message: str) -> None:
        """Write a line of the host's own into the log, which is complete once the ending counts it."""
        if not self._ended:
            self._spool.log.agent(self._secrets.mask(message))
            self._spool.touch()
