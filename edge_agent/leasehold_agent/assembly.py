"""The composition root: builds the agent's parts and puts them together. What runs when is the agent's to say."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial

from leasehold_agent.api_orders import ApiOrders
from leasehold_agent.attempts.bundles import Bundles
from leasehold_agent.attempts.directory import AttemptDirectories, Surroundings
from leasehold_agent.attempts.gate import Gate
from leasehold_agent.attempts.hostlink import TaskLine
from leasehold_agent.attempts.roster import Roster
from leasehold_agent.attempts.sdk import expose_sdk, js_binding, own_command
from leasehold_agent.attempts.supervisor import Supervisor
from leasehold_agent.attempts.wheels import Wheels
from leasehold_agent.chores import Chores
from leasehold_agent.clock import ServerClock, boottime
from leasehold_agent.collection import Collector, Packages
from leasehold_agent.config import Settings
from leasehold_agent.delivery.delivery import Delivery
from leasehold_agent.delivery.outcomes import OutcomeDesk
from leasehold_agent.environments.cache import EnvironmentCache
from leasehold_agent.environments.rules import EnvironmentRules
from leasehold_agent.errors import UnavailableError
from leasehold_agent.health_watch import HealthWatch
from leasehold_agent.host.spawn import HostZygote
from leasehold_agent.host.warm.settings import WarmSettings
from leasehold_agent.identity.access import CachedToken
from leasehold_agent.identity.generation import next_generation
from leasehold_agent.identity.key_in_use import KeyInUse
from leasehold_agent.identity.key_store import KeyStore
from leasehold_agent.identity.oauth import Granted, TokenRequests
from leasehold_agent.identity.record import Identity
from leasehold_agent.identity.rotation import KeyRotation
from leasehold_agent.link.api import Api, TaskApi
from leasehold_agent.link.choice import Choice
from leasehold_agent.link.greetings import Greetings
from leasehold_agent.link.http import Http
from leasehold_agent.link.link import Link
from leasehold_agent.link.listening import Listening
from leasehold_agent.link.passage import Passage
from leasehold_agent.link.port import Way
from leasehold_agent.link.pull import Pull
from leasehold_agent.link.session import Session
from leasehold_agent.monitoring import Monitoring
from leasehold_agent.offered import Offered
from leasehold_agent.operating import Operating
from leasehold_agent.pausing import LocalPause
from leasehold_agent.policy.file import PolicyFile
from leasehold_agent.settings_in_force import SettingsInForce
from leasehold_agent.shutdown import Shutdown
from leasehold_agent.standing import Standing
from leasehold_agent.updating.place import StartedAs, find_versions, managed_by
from leasehold_agent.updating.proving import Proving
from leasehold_agent.updating.succession import Succession
from leasehold_agent.updating.watch import UpdateWatch, asking
from leasehold_protocol.v1.leases import OutcomeAnswer, OutcomeBatch

Spawn = Callable[[Coroutine[object, object, None]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the agent is made of, as far as its beginning and its end concern it."""

    http: Http
    hosts: HostZygote
    roster: Roster
    directories: AttemptDirectories
    orders: ApiOrders
    standing: Standing
    link: Link
    listening: Listening
    desk: OutcomeDesk
    supervisor: Supervisor
    watch: HealthWatch
    pause: LocalPause
    chores: Chores
    shutdown: Shutdown
    operating: Operating
    monitoring: Monitoring


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """Everything between this agent and its API."""

    http: Http
    clock: ServerClock
    keys: KeyInUse
    tokens: TokenRequests
    access: CachedToken
    api: Api

    def task_token(self, attempt: str) -> CachedToken:
        """Return the token of one attempt, asked for when it is needed."""

        async def exchange() -> Granted:
            return await self.tokens.task_token(await self.access.current(), attempt)

        return CachedToken(exchange)

    def task_line(self, token: CachedToken) -> TaskLine:
        """Return what carries a task's own questions."""
        return TaskApi(Session(self.http, self.keys, token, self.clock))


def assemble(
    in_force: SettingsInForce,
    identity: Identity,
    keys: KeyInUse,
    store: KeyStore,
    *,
    version: str,
    once: bool,
    spawn: Spawn,
    started_as: StartedAs,
    proving: Proving | None,
) -> Parts:
    """Build every part, inside the running event loop; nothing is begun."""
    settings = in_force.now
    line = _lay_line(settings, identity, keys, version=version)
    warm = WarmSettings(idle_s=settings.warm_idle_s, most=settings.warm_processes)
    hosts, roster = HostZygote(warm), Roster(1 if once else settings.slots)
    gate = Gate(PolicyFile(settings.policy_file), roster)
    directories = AttemptDirectories(settings.state_dir / "attempts")
    wheels = Wheels(settings.state_dir / "wheels", line.api.bundle)
    bundles = Bundles(settings.state_dir / "bundles", line.api.bundle, wheels=wheels)
    environments, packs = EnvironmentCache(settings.state_dir / "environments"), settings.state_dir / "packs"
    orders = ApiOrders(roster, line.clock)
    offered = Offered(settings)
    standing = Standing(in_force, identity, roster, gate, orders, line.clock, offered, version=version, once=once)
    greetings = Greetings(roster, boottime)

    def make_push(passage: Passage) -> Way:
        from leasehold_agent.link.push import Push

        return Push(line.api, standing, roster, greetings, passage)

    choice = Choice(settings.link, Pull(line.api, standing, roster, greetings), make_push, roster)
    link = Link(line.api, standing, roster, greetings, choice)
    desk = OutcomeDesk(partial(_send_outcomes, line.api, link), standing.outcomes_answered, roster, boottime)
    rotation = KeyRotation(
        identity,
        keys,
        store,
        settings.state_dir,
        propose=line.api.propose_key,
        tokens=line.tokens,
        access=line.access,
    )
    packages = Packages(
        wheels=wheels, environments=environments, packs=packs, most_mb=lambda: in_force.now.environments_mb
    )  # fmt: skip
    collector = Collector(directories, bundles, roster, lambda: in_force.now.keep_attempts, packages)
    watch = HealthWatch(
        in_force, roster, collector, hosts=hosts, clock=line.clock, check_key_store=rotation.check_store
    )
    supervisor = Supervisor(
        directories=directories,
        around=Surroundings(
            bundles_dir=settings.state_dir / "bundles",
            sdk_dir=expose_sdk(settings.state_dir, version),
            sdk_js=js_binding(),
            edge_agent=own_command(),
            containers=offered.containers,
            python=settings.python,
            environments=EnvironmentRules(
                cache_dir=str(environments.root),
                wheels_dir=str(wheels.root),
                pythons=tuple(map(str, settings.pythons)),
                uv=None if settings.uv is None else str(settings.uv),
                index_url=settings.index_url,
                timeout_s=settings.environment_timeout_s,
                packs_dir=str(packs),
            ),
        ),
        bundles=bundles,
        hosts=watch,
        roster=roster,
        gate=gate,
        delivery=Delivery(
            line.api,
            desk,
            roster,
            log_every=lambda: standing.log_every_s,
            greeted=standing.was_greeted,
            keeps=lambda: in_force.now.keep_attempts > 0,
        ),
        task_token=line.task_token,
        task_line=line.task_line,
        spawn=spawn,
    )
    standing.connect(
        supervisor=supervisor,
        greet_soon=link.greet_soon,
        is_push=lambda: choice.is_push,
        history=watch.link,
        vitals=lambda: watch.vitals,
    )
    pause = LocalPause(settings.state_dir, roster)
    versions = find_versions(settings)
    succession = Succession(
        settings.state_dir, versions, version=version, started_as=started_as, proving=proving, leave=hosts.close
    )
    updates = UpdateWatch(
        in_force,
        roster,
        succession,
        version=version,
        ask=asking(in_force, versions, version=version, started_as=started_as),
        is_connected=lambda: standing.is_connected,
        manager=managed_by(versions),
    )

    def apply_what_time_changes() -> None:
        """Pauses end, and links calm down, without anybody saying so."""
        pause.apply()
        orders.apply()
        watch.judge_link()

    chores = Chores(
        api=line.api,
        roster=roster,
        standing=standing,
        collector=collector,
        watch=watch,
        rotation=rotation,
        gate=gate,
        offered=offered,
        each_second=apply_what_time_changes,
        grant=lambda: choice.in_use.grant(),
        clock=line.clock,
        updates=updates,
    )
    shutdown = Shutdown(partial(standing.stop_everything, "the site's operator stopped the agent"))
    return Parts(
        http=line.http,
        hosts=hosts,
        roster=roster,
        directories=directories,
        orders=orders,
        standing=standing,
        link=link,
        # A stream brings orders too.
        listening=Listening(line.api, standing, roster, lambda: orders.are_heard and not choice.is_push),
        desk=desk,
        supervisor=supervisor,
        watch=watch,
        pause=pause,
        chores=chores,
        shutdown=shutdown,
        operating=Operating(
            roster=roster,
            pause=pause,
            shutdown=shutdown,
            settings=in_force,
            chores=chores,
            greet_soon=link.greet_soon,
            rotate=rotation.rotate,
            updates=updates,
        ),
        monitoring=Monitoring(
            settings.state_dir,
            version=version,
            roster=roster,
            standing=standing,
            link=watch.link,
            vitals=lambda: watch.vitals,
        ),
    )


def _lay_line(settings: Settings, identity: Identity, keys: KeyInUse, *, version: str) -> _Line:
    clock = ServerClock()
    http = Http(
        identity.api_url,
        clock=clock,
        version=version,
        ca_file=settings.ca_file,
        proxy=settings.proxy,
        keepalive_s=settings.keepalive_s,
    )
    tokens = TokenRequests(
        http,
        keys,
        client_id=identity.client_id,
        issuer=identity.issuer,
        clock=clock,
        generation=partial(next_generation, settings.state_dir),
    )
    access = CachedToken(tokens.access_token)
    api = Api(http, Session(http, keys, access, clock))
    return _Line(http=http, clock=clock, keys=keys, tokens=tokens, access=access, api=api)


async def _send_outcomes(api: Api, link: Link, batch: OutcomeBatch) -> OutcomeAnswer:
    async with link.granting:
        batch = link.offer(batch)
        try:
            return await api.outcomes(batch)
        except UnavailableError:
            link.offer_failed(batch)
            raise
