"""The composition root: builds the agent from its parts, runs its loops in one task group, and ends them in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from functools import partial

from leasehold_agent.api_orders import ApiOrders
from leasehold_agent.attempts.bundles import Bundles
from leasehold_agent.attempts.directory import AttemptDirectories, Surroundings
from leasehold_agent.attempts.gate import Gate
from leasehold_agent.attempts.hostlink import Ask
from leasehold_agent.attempts.roster import Roster, StopOrder, Waiting
from leasehold_agent.attempts.sdk import expose_sdk
from leasehold_agent.attempts.supervisor import Supervisor
from leasehold_agent.backoff import pauses
from leasehold_agent.chores import Chores
from leasehold_agent.clock import ServerClock, boottime
from leasehold_agent.collection import Collector
from leasehold_agent.control import ControlSocket
from leasehold_agent.delivery.delivery import Delivery
from leasehold_agent.delivery.outcomes import OutcomeDesk
from leasehold_agent.errors import LinkError, UnavailableError
from leasehold_agent.exits import Exit
from leasehold_agent.health.reasons import Name
from leasehold_agent.health_watch import HealthWatch
from leasehold_agent.host.spawn import HostZygote
from leasehold_agent.identity.access import CachedToken
from leasehold_agent.identity.generation import next_generation
from leasehold_agent.identity.key_in_use import KeyInUse
from leasehold_agent.identity.key_store import KeyStore
from leasehold_agent.identity.oauth import Granted, TokenRequests
from leasehold_agent.identity.record import Identity
from leasehold_agent.identity.rotation import KeyRotation
from leasehold_agent.link.api import Api, TaskApi
from leasehold_agent.link.http import Http
from leasehold_agent.link.line_watch import LineWatch
from leasehold_agent.link.listening import Listening
from leasehold_agent.link.pull import Pull
from leasehold_agent.link.session import Session
from leasehold_agent.local_servers import keep_serving
from leasehold_agent.monitoring import Monitoring
from leasehold_agent.operating import Operating
from leasehold_agent.pausing import LocalPause
from leasehold_agent.policy.file import PolicyFile
from leasehold_agent.recovery import survey
from leasehold_agent.settings_in_force import SettingsInForce
from leasehold_agent.shutdown import Shutdown
from leasehold_agent.standing import Standing
from leasehold_agent.status import StatusSocket
from leasehold_protocol.v1.leases import OutcomeAnswer, OutcomeBatch

DELIVERY_PATIENCE_S = 15.0
"""How long a drained agent tries to deliver what is left; it stays on disk, and the next start goes on with it."""
logger = logging.getLogger(__name__)


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
    ) -> None:
        settings = in_force.now
        self._settings = settings
        self._in_force = in_force
        self._once = once
        self._keys = keys
        self._clock = ServerClock()
        self._http = Http(
            identity.api_url,
            clock=self._clock,
            version=version,
            ca_file=settings.ca_file,
            keepalive_s=settings.keepalive_s,
        )
        self._tokens = TokenRequests(
            self._http,
            keys,
            client_id=identity.client_id,
            issuer=identity.issuer,
            clock=self._clock,
            generation=partial(next_generation, settings.state_dir),
        )
        self._access = CachedToken(self._tokens.access_token)
        self._api = Api(self._http, Session(self._http, keys, self._access, self._clock))
        self._hosts = HostZygote()
        self._roster = Roster(1 if once else settings.slots)
        self._gate = Gate(PolicyFile(settings.policy_file), self._roster)
        self._directories = AttemptDirectories(settings.state_dir / "attempts")
        self._bundles = Bundles(settings.state_dir / "bundles", self._api.bundle)
        self._group = asyncio.TaskGroup()
        self._orders = ApiOrders(self._roster, self._clock)
        self._standing = Standing(
            in_force, identity, self._roster, self._gate, self._orders, self._clock, version=version, once=once
        )
        self._pull = Pull(self._api, self._standing, self._roster)
        self._listening = Listening(self._api, self._standing, self._roster, lambda: self._orders.are_heard)
        self._desk = OutcomeDesk(self._send_outcomes, self._standing.outcomes_answered, self._roster, boottime)
        self._rotation = KeyRotation(
            identity,
            keys,
            store,
            settings.state_dir,
            propose=self._api.propose_key,
            tokens=self._tokens,
            access=self._access,
        )
        collector = Collector(self._directories, self._bundles, self._roster, lambda: in_force.now.keep_attempts)
        self._watch = HealthWatch(
            in_force,
            self._roster,
            collector,
            hosts=self._hosts,
            clock=self._clock,
            check_key_store=self._rotation.check_store,
        )
        self._supervisor = self._build_supervisor(version)
        self._standing.connect(
            supervisor=self._supervisor,
            greet_soon=self._pull.greet_soon,
            history=self._watch.link,
            vitals=lambda: self._watch.vitals,
        )
        self._pause = LocalPause(settings.state_dir, self._roster)
        self._chores = Chores(
            api=self._api,
            roster=self._roster,
            standing=self._standing,
            collector=collector,
            watch=self._watch,
            rotation=self._rotation,
            gate=self._gate,
            each_second=self._apply_what_time_changes,
            clock=self._clock,
        )
        self._shutdown = Shutdown(self._cancel_attempts)
        self._operating = Operating(
            roster=self._roster,
            pause=self._pause,
            shutdown=self._shutdown,
            settings=in_force,
            chores=self._chores,
            greet_soon=self._pull.greet_soon,
            rotate=self._rotation.rotate,
        )
        self._monitoring = Monitoring(
            settings.state_dir,
            version=version,
            roster=self._roster,
            standing=self._standing,
            link=self._watch.link,
            vitals=lambda: self._watch.vitals,
        )

    def _build_supervisor(self, version: str) -> Supervisor:
        settings = self._settings
        delivery = Delivery(
            self._api,
            self._desk,
            self._roster,
            log_every=lambda: self._standing.log_every_s,
            greeted=self._standing.was_greeted,
            keeps=lambda: self._in_force.now.keep_attempts > 0,
        )
        return Supervisor(
            directories=self._directories,
            around=Surroundings(
                bundles_dir=settings.state_dir / "bundles",
                sdk_dir=expose_sdk(settings.state_dir, version),
                python=settings.python,
            ),
            bundles=self._bundles,
            hosts=self._watch,
            roster=self._roster,
            gate=self._gate,
            delivery=delivery,
            task_token=self._task_token,
            ask=self._ask,
            spawn=self._spawn,
        )

    async def run(self) -> Exit:
        """Run until drained, and return how it went.

        Raises:
            OperatorError: in an exception group, when only a person can put it right.
        """
        self._directories.prepare()
        try:
            async with self._group:
                self._adopt_what_is_on_disk()
                self._shutdown.listen(reload=self._operating.reload)
                self._pause.recall()
                await self._watch.look()
                self._chores.start()
                self._serve_locally()
                self._spawn(self._desk.run())
                self._spawn(LineWatch(self._http, pauses).run())
                self._spawn(self._hosts.warm())
                asking = [self._spawn(self._pull.run()), self._spawn(self._listening.run())]
                await self._until_told_to_stop()
                for loop in asking:
                    loop.cancel()
                await self._drain()
                raise _FinishedError
        except* _FinishedError:
            logger.info("agent ends", extra={"undelivered": len(self._roster.on_disk())})
        finally:
            self._chores.stop()
            await self._hosts.close()
            await self._http.close()
        return Exit.OK

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        return self._group.create_task(work)

    def _serve_locally(self) -> None:
        state_dir, address = self._settings.state_dir, self._settings.metrics_address
        control = ControlSocket(state_dir, self._operating.orders)
        self._spawn(keep_serving("status", StatusSocket(state_dir, self._standing.snapshot).serve))
        self._spawn(keep_serving("control", control.serve))
        self._spawn(keep_serving("metrics", self._monitoring.serve))
        if address is not None:
            self._spawn(keep_serving("metrics_address", partial(self._monitoring.serve_on, address)))

    def _apply_what_time_changes(self) -> None:
        """Pauses end, and links calm down, without anybody saying so."""
        self._pause.apply()
        self._orders.apply()
        self._watch.judge_link()

    def _adopt_what_is_on_disk(self) -> None:
        on_disk = survey(self._directories)
        for found in on_disk.running:
            self._supervisor.adopt(found.directory, found.state)
        self._roster.backlog.extend(Waiting(found.directory.attempt, found.state) for found in on_disk.waiting)
        self._spawn(self._supervisor.work_off_backlog())
        # An agent that died between an acknowledgement and the removal left what nobody else looks for.
        self._spawn(self._chores.collect())
        for directory in on_disk.refused:
            logger.warning("refused attempt on disk", extra={"attempt": directory.attempt})

    async def _until_told_to_stop(self) -> None:
        stops = [asyncio.ensure_future(event.wait()) for event in (self._shutdown.asked, self._orders.drain_asked)]
        if self._once:
            stops.append(asyncio.ensure_future(self._standing.took_a_lease.wait()))
        try:
            await asyncio.wait(stops, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for stop in stops:
                stop.cancel()

    async def _drain(self) -> None:
        """Take no more leases, and wait until every attempt has ended and, for a while, until it is delivered."""
        self._roster.pause(Name.DRAINING, "draining: the agent was told to stop")
        logger.info("draining", extra={"attempts": len(self._roster.held)})
        if not self._once:
            await self._tell_the_api()
        while not all(held.has_ended.is_set() for held in self._roster.held):
            await self._roster.changed()
        delivered = asyncio.ensure_future(self._everything_is_delivered())
        hurry = asyncio.ensure_future(self._shutdown.in_a_hurry.wait())
        try:
            await asyncio.wait([delivered, hurry], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([delivered], timeout=DELIVERY_PATIENCE_S)
        finally:
            delivered.cancel()
            hurry.cancel()
        if left := len(self._roster.on_disk()):
            logger.warning("left on disk for the next start", extra={"attempts": left})

    async def _everything_is_delivered(self) -> None:
        while self._roster.held or self._roster.backlog:
            await self._roster.changed()

    async def _tell_the_api(self) -> None:
        """Say what is here, once: a lease that was on its way when the poll ended is free again at once by that."""
        try:
            async with asyncio.timeout(DELIVERY_PATIENCE_S / 3):
                await self._pull.greet()
                await self._chores.renew()
        except (TimeoutError, LinkError) as error:
            logger.info("could not announce the drain", extra={"error": str(error)})

    def _cancel_attempts(self) -> None:
        for held in self._roster.held:
            held.order_stop(StopOrder(kind="cancelled", reason="the site's operator stopped the agent"))

    async def _send_outcomes(self, batch: OutcomeBatch) -> OutcomeAnswer:
        async with self._pull.granting:
            try:
                return await self._api.outcomes(batch)
            except UnavailableError:
                if batch.free_slots:
                    self._pull.answer_was_lost()
                raise

    def _task_token(self, attempt: str) -> CachedToken:
        async def exchange() -> Granted:
            return await self._tokens.task_token(await self._access.current(), attempt)

        return CachedToken(exchange)

    def _ask(self, token: CachedToken) -> Ask:
        return TaskApi(Session(self._http, self._keys, token, self._clock)).ask
