"""Sees each attempt through: from a lease to a running host, and from its ending to the last acknowledged byte."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from leasehold_agent.attempts import endings
from leasehold_agent.attempts.backlog import Backlog, LetterBox
from leasehold_agent.attempts.bundles import BadBundleError, Bundles
from leasehold_agent.attempts.directory import AttemptDirectories, AttemptDirectory, Surroundings, UnsafeAttemptIdError
from leasehold_agent.attempts.gate import Gate
from leasehold_agent.attempts.given import answers_of
from leasehold_agent.attempts.hostlink import HostLink, TaskLine
from leasehold_agent.attempts.roster import Held, Phase, Roster
from leasehold_agent.backoff import Backoff, persist
from leasehold_agent.clock import boottime, utc_now
from leasehold_agent.errors import LinkError
from leasehold_agent.fault_points import reach
from leasehold_agent.health.reasons import Name
from leasehold_agent.identity.access import CachedToken
from leasehold_agent.identity.oauth import Granted
from leasehold_agent.secret import Secret
from leasehold_protocol.v1.agents import AttemptState
from leasehold_protocol.v1.leases import Ending, EndingKind, Lease, Outcome

logger = logging.getLogger(__name__)


class HostStarter(Protocol):
    """What is needed of ``host.spawn.HostZygote``."""

    async def start_host(self, attempt_dir: Path, *, team: str) -> int:
        """Start the host of a team's attempt and return its pid once it holds its lock."""
        ...


class Deliverer(LetterBox, Protocol):
    """What is needed of ``delivery.delivery.Delivery``."""

    async def stream(self, held: Held) -> None:
        """Send log and metrics while the attempt runs."""
        ...

    async def stop_stream(self, held: Held, stream: asyncio.Task[None]) -> None:
        """End ``stream``, soon."""
        ...

    async def deliver(self, held: Held) -> None:
        """Deliver an ended attempt, however long it takes."""
        ...

    async def report(self, outcome: Outcome, held: Held) -> None:
        """Deliver the outcome of an attempt that has no directory."""
        ...


class StartRefusedError(Exception):
    """The attempt can't be started here; the text says why, for its author."""


class Supervisor:
    """Takes leases, adopts what an earlier agent left, and attends to each attempt until nothing of it is left."""

    def __init__(
        self,
        *,
        directories: AttemptDirectories,
        around: Surroundings,
        bundles: Bundles,
        hosts: HostStarter,
        roster: Roster,
        gate: Gate,
        delivery: Deliverer,
        task_token: Callable[[str], CachedToken],
        task_line: Callable[[CachedToken], TaskLine],
        spawn: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        self._directories = directories
        self._around = around
        self._bundles = bundles
        self._hosts = hosts
        self._roster = roster
        self._gate = gate
        self._delivery = delivery
        self._task_token = task_token
        self._task_line = task_line
        self._spawn = spawn

    def take(self, lease: Lease, asked_at: float) -> None:
        """Begin an attempt. ``asked_at`` (``CLOCK_BOOTTIME``) is when the request that brought the lease was sent."""
        granted = Granted(token=Secret(lease.task_token), lasts_s=lease.task_token_expires_in_s)
        if held := self._roster.get(lease.attempt):
            # The answer that brought it first was lost; the same lease again is no second attempt.
            held.task_token.put(granted, asked_at=asked_at)
            return
        try:
            directory = self._directories.of(lease.attempt)
        except UnsafeAttemptIdError:
            logger.error("lease ignored: its id can't be a directory", extra={"attempt": lease.attempt[:200]})
            return
        held = Held(
            directory=directory,
            phase=Phase.STARTING,
            length_s=lease.length_s,
            deadline=asked_at + lease.length_s,
            task_token=self._task_token(lease.attempt),
            given=answers_of(lease.given),
            title=f"{lease.run.dag}.{lease.task.id}",
        )
        held.task_token.put(granted, asked_at=asked_at)
        self._roster.add(held)
        logger.info("lease taken", extra={"attempt": held.attempt, "task": held.title, "try": lease.try_number})
        self._spawn(self._attend(held, lease))

    def adopt(self, directory: AttemptDirectory, found: AttemptState) -> Held:
        """Go on with an attempt that is on disk; its task token is asked for anew when it is needed."""
        facts = directory.lease_facts()
        length, deadline = facts.get("length_s"), facts.get("deadline_boottime_s")
        held = Held(
            directory=directory,
            phase=Phase.RUNNING if found is AttemptState.RUNNING else Phase.DELIVERING,
            length_s=float(length) if isinstance(length, int | float) else 300.0,
            deadline=float(deadline) if isinstance(deadline, int | float) else boottime(),
            task_token=self._task_token(directory.attempt),
            title=directory.title(),
            found=found,
        )
        self._roster.add(held)
        logger.info("attempt found on disk", extra={"attempt": held.attempt, "state": found.value})
        self._spawn(self._attend(held, None))
        return held

    async def work_off_backlog(self) -> None:
        """Deliver what ended before this agent began."""
        await Backlog(self._directories, self._roster, self._delivery, self.adopt).work_off()

    async def _attend(self, held: Held, lease: Lease | None) -> None:
        """See one attempt through. What goes wrong with it stays with it."""
        try:
            if lease is not None:
                await self._start(held, lease)
            backoff = Backoff()
            while held.directory.path.is_dir():
                if await self._see_through(held):
                    break
                await asyncio.sleep(backoff.after_failure())
        finally:
            self._roster.remove(held)

    async def _see_through(self, held: Held) -> bool:
        """Follow an attempt to its end and deliver it; False when the disk was in the way: try again."""
        done = False
        try:
            while not endings.has_ended(held):
                await self._follow(held)
            self._roster.note_end(held)
            await self._delivery.deliver(held)
            done = True
        except* OSError as errors:
            held.trouble = "; ".join(str(error) for error in errors.exceptions)
            logger.warning("attempt waits for the disk", extra={"attempt": held.attempt, "error": held.trouble})
        return done

    async def _start(self, held: Held, lease: Lease) -> None:
        if (refused := self._gate.refuse(lease, held.directory, now=utc_now())) is not None:
            logger.warning("lease refused", extra={"attempt": held.attempt, "reason": refused.message})
            outcome = Outcome(
                attempt=held.attempt, ending=refused, log=endings.only_line(f"not started: {refused.message}")
            )
            await self._delivery.report(outcome, held)
            return
        try:
            await asyncio.to_thread(
                held.directory.create,
                lease,
                self._around,
                received_at=utc_now(),
                deadline_boottime_s=held.deadline,
                limits=self._gate.limits(),
            )
        except FileExistsError:
            return
        except OSError as error:
            ending = endings.ending(EndingKind.COULD_NOT_START, f"the site's disk refused: {error.strerror}")
            with suppress(OSError):
                await asyncio.to_thread(held.directory.remove)  # Half a directory would look like a loss.
            await self._delivery.report(Outcome(attempt=held.attempt, ending=ending), held)
            return
        try:
            if lease.bundle is not None:
                await self._bring_bundle(lease.bundle, held)
            if held.stop is None:
                reach("agent.lease.durable.before-host")
                await self._hosts.start_host(held.directory.path, team=lease.run.team)
                reach("agent.host.started.before-following")
                self._roster.move(held, Phase.RUNNING)
                return
            ending = endings.ending(EndingKind(held.stop.kind), held.stop.reason)
        except StartRefusedError as error:
            ending = endings.ending(EndingKind.COULD_NOT_START, str(error))
        except Exception as error:  # noqa: BLE001 - whatever keeps a host from starting is this attempt's ending
            ending = endings.ending(EndingKind.COULD_NOT_START, f"the attempt host did not start: {error}")
        logger.warning("attempt not started", extra={"attempt": held.attempt, "reason": ending.message})
        with suppress(OSError):  # What does not die yet is found without an ending, and counts as lost.
            await self._end(held, ending)

    async def _end(self, held: Held, ending: Ending) -> list[int]:
        """End an attempt that no host attends to; without room for its ending, that is delivered all the same.

        Returns:
            the processes that were left of it, and were killed.

        Raises:
            TimeoutError: one of them does not die.
        """
        killed, refused = await asyncio.to_thread(endings.end, held.directory, ending)
        if refused is not None:
            held.unwritten_ending = ending
            text = f"own files: {held.directory.path}/ending.json can't be written: {refused.strerror}"
            self._roster.pause(Name.OWN_FILES, text)
            logger.warning("ending not written", extra={"attempt": held.attempt, "error": str(refused)})
        return killed

    async def _bring_bundle(self, sha256: str, held: Held) -> None:
        try:
            async with asyncio.timeout(max(0.0, held.deadline - boottime())):
                await persist(lambda: self._bundles.ensure(sha256))
        except BadBundleError as error:
            raise StartRefusedError(str(error)) from error
        except TimeoutError as error:
            raise StartRefusedError("the task's code could not be fetched before the lease ended") from error
        except LinkError as error:
            raise StartRefusedError(f"the task's code could not be fetched: {error}") from error

    async def _follow(self, held: Held) -> None:
        """Stay with the host until the attempt has ended; then there is an ending, the host's or ours."""
        directory = held.directory
        held.has_ended.clear()
        async with asyncio.TaskGroup() as together:
            stream = together.create_task(self._delivery.stream(held))
            backoff = Backoff()
            while not endings.has_ended(held) and await asyncio.to_thread(directory.is_held):
                try:
                    if await HostLink(held, self._task_line(held.task_token), self._gate.refuse_question).follow():
                        break
                    backoff.after_success()
                except (OSError, TimeoutError):
                    await asyncio.sleep(min(1.0, backoff.after_failure()))
            await self._delivery.stop_stream(held, stream)
        if not endings.has_ended(held):
            # Nobody holds the lock and nobody wrote an ending: the host died with its machine, or was killed.
            await self._bury(held)

    async def _bury(self, held: Held) -> None:
        """End what a killed host left running: an attempt is lost only when none of its processes lives."""
        lost = endings.ending(EndingKind.LOST, "the attempt's host is gone: power loss, or it was killed")
        while True:
            try:
                killed = await self._end(held, lost)
            except TimeoutError as error:
                held.trouble = str(error)
                logger.warning("attempt does not die", extra={"attempt": held.attempt, "cause": str(error)})
            else:
                if killed:
                    logger.warning("processes without a host killed", extra={"attempt": held.attempt, "pids": killed})
                held.trouble = None
                return
