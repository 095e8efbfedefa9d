"""One agent process: begins with what is on its disk, runs its loops in one task group, and ends them in order."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Coroutine
from functools import partial

from leasehold_agent.assembly import assemble
from leasehold_agent.attempts.roster import Waiting
from leasehold_agent.backoff import pauses
from leasehold_agent.control import ControlSocket
from leasehold_agent.errors import LinkError
from leasehold_agent.exits import Exit
from leasehold_agent.health.reasons import Name
from leasehold_agent.identity.key_in_use import KeyInUse
from leasehold_agent.identity.key_store import KeyStore
from leasehold_agent.identity.record import Identity
from leasehold_agent.link.line_watch import LineWatch
from leasehold_agent.local_servers import keep_serving
from leasehold_agent.recovery import survey
from leasehold_agent.service_manager import ServiceManager
from leasehold_agent.settings_in_force import SettingsInForce
from leasehold_agent.status import StatusSocket
from leasehold_agent.updating.place import StartedAs
from leasehold_agent.updating.proving import Proving

DELIVERY_PATIENCE_S = 15.0
"""How long a drained agent tries to deliver what is left; it stays on disk, and the next start goes on with it."""
LOOKING_PATIENCE_S = 3.0
"""How long the start waits for what the machine offers; an engine that answers later is told of later."""
logger = logging.getLogger(__name__)


def _leave_what_stays_to_itself() -> None:
    """Take what was imported and built out of the collector's way, less the garbage in it. It takes 50 ms."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class _FinishedError(Exception):
    """Ends the task group: everything that had to be done is done."""


class Agent:
    """One agent process. Build it inside the running event loop."""

    def __init__(
        self,
        in_force: SettingsInForce,
        identity: Identity,
        keys: KeyInUse,
        store: KeyStore,
        *,
        version: str,
        once: bool,
        manager: ServiceManager,
        started_as: StartedAs,
        proving: Proving | None,
    ) -> None:
        self._manager = manager
        self._settings = in_force.now
        self._once = once
        self._proving = proving
        self._group = asyncio.TaskGroup()
        self._parts = assemble(
            in_force,
            identity,
            keys,
            store,
            version=version,
            once=once,
            spawn=self._spawn,
            started_as=started_as,
            proving=proving,
        )

    async def run(self) -> Exit:
        """Run until drained, and return how it went.

        Raises:
            OperatorError: in an exception group, when only a person can put it right.
        """
        self._parts.directories.prepare()
        try:
            async with self._group:
                self._adopt_what_is_on_disk()
                self._parts.shutdown.listen(reload=self._parts.operating.reload)
                self._parts.pause.recall()
                await self._parts.watch.look()
                looking = self._spawn(self._parts.chores.look_what_is_offered())
                await asyncio.wait([looking], timeout=LOOKING_PATIENCE_S)
                self._parts.chores.start()
                self._serve_locally()
                self._spawn(self._parts.desk.run())
                self._spawn(LineWatch(self._parts.http, pauses).run())
                self._spawn(self._parts.hosts.warm())
                self._spawn(self._manager.keep_fed(lambda: self._parts.http.progressed_at))
                self._manager.ready()
                _leave_what_stays_to_itself()
                if self._proving is not None:
                    self._spawn(self._proving.prove(self._parts.standing.was_greeted, self._parts.shutdown.asked))
                asking = [self._spawn(self._parts.link.run()), self._spawn(self._parts.listening.run())]
                await self._until_told_to_stop()
                for loop in asking:
                    loop.cancel()
                await self._drain()
                raise _FinishedError
        except* _FinishedError:
            logger.info("agent ends", extra={"undelivered": len(self._parts.roster.on_disk())})
        finally:
            self._parts.chores.stop()
            await self._parts.hosts.close()
            await self._parts.http.close()
        return Exit.OK

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        return self._group.create_task(work)

    def _serve_locally(self) -> None:
        state_dir, address = self._settings.state_dir, self._settings.metrics_address
        control = ControlSocket(state_dir, self._parts.operating.orders)
        self._spawn(keep_serving("status", StatusSocket(state_dir, self._parts.standing.snapshot).serve))
        self._spawn(keep_serving("control", control.serve))
        self._spawn(keep_serving("metrics", self._parts.monitoring.serve))
        if address is not None:
            self._spawn(keep_serving("metrics_address", partial(self._parts.monitoring.serve_on, address)))

    def _adopt_what_is_on_disk(self) -> None:
        on_disk = survey(self._parts.directories)
        for found in on_disk.running:
            self._parts.supervisor.adopt(found.directory, found.state)
        self._parts.roster.backlog.extend(Waiting(found.directory.attempt, found.state) for found in on_disk.waiting)
        self._spawn(self._parts.supervisor.work_off_backlog())
        # An agent that died between an acknowledgement and the removal left what nobody else looks for.
        self._spawn(self._parts.chores.collect())
        for directory in on_disk.refused:
            logger.warning("refused attempt on disk", extra={"attempt": directory.attempt})

    async def _until_told_to_stop(self) -> None:
        stops = [
            asyncio.ensure_future(event.wait())
            for event in (self._parts.shutdown.asked, self._parts.orders.drain_asked)
        ]
        if self._once:
            stops.append(asyncio.ensure_future(self._parts.standing.took_a_lease.wait()))
        try:
            await asyncio.wait(stops, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for stop in stops:
                stop.cancel()

    async def _drain(self) -> None:
        """Take no more leases, and wait until every attempt has ended and, for a while, until it is delivered."""
        self._parts.roster.pause(Name.DRAINING, "draining: the agent was told to stop")
        self._manager.stopping()
        logger.info("draining", extra={"attempts": len(self._parts.roster.held)})
        if not self._once:
            await self._tell_the_api()
        while not all(held.has_ended.is_set() for held in self._parts.roster.held):
            await self._parts.roster.changed()
        delivered = asyncio.ensure_future(self._everything_is_delivered())
        hurry = asyncio.ensure_future(self._parts.shutdown.in_a_hurry.wait())
        try:
            await asyncio.wait([delivered, hurry], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([delivered], timeout=DELIVERY_PATIENCE_S)
        finally:
            delivered.cancel()
            hurry.cancel()
        if left := len(self._parts.roster.on_disk()):
            logger.warning("left on disk for the next start", extra={"attempts": left})

    async def _everything_is_delivered(self) -> None:
        while self._parts.roster.held or self._parts.roster.waiting:
            await self._parts.roster.changed()

    async def _tell_the_api(self) -> None:
        """Say what is here, once: a lease that was on its way when the poll ended is free again at once by that."""
        try:
            async with asyncio.timeout(DELIVERY_PATIENCE_S / 3):
                await self._parts.link.greet()
                await self._parts.chores.renew()
        except (TimeoutError, LinkError) as error:
            logger.info("could not announce the drain", extra={"error": str(error)})
