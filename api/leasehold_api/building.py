"""Building the house: the only place that knows every service, and the only one that names storage."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from leasehold_api import clock
from leasehold_api.audit.sealer import AuditSealer
from leasehold_api.config import Settings
from leasehold_api.context.connections import Connections
from leasehold_api.context.giving import Giving
from leasehold_api.context.variables import Variables
from leasehold_api.fleet.bootstrap import ensure_bootstrap
from leasehold_api.fleet.registry import Registry
from leasehold_api.fleet.served_packs import ServedPacks
from leasehold_api.foundations import Foundations, lay_foundations
from leasehold_api.http.authentication import Authentication
from leasehold_api.http.house import House
from leasehold_api.http.refusals import Refusals
from leasehold_api.http.sign_in_rates import SignInRates
from leasehold_api.leases.dispatch import Dispatch
from leasehold_api.leases.offer import Offers
from leasehold_api.leases.parking import Parking
from leasehold_api.leases.streams import Streams
from leasehold_api.leases.timekeeper import Timekeeper
from leasehold_api.oauth.parts.rates import Rates
from leasehold_api.oauth.people.applications import Applications
from leasehold_api.oauth.people.approvals import Approvals
from leasehold_api.oauth.possession.replays import UsedProofs
from leasehold_api.oauth.server import Authority, IssuedTokens
from leasehold_api.oauth.tokens.access_tokens import AccessTokens
from leasehold_api.oauth.tokens.id_tokens import IdTokens
from leasehold_api.oauth.tokens.keys import SigningKeys
from leasehold_api.oauth.tokens.people_tokens import PeopleTokens
from leasehold_api.oauth.tokens.task_tokens import TaskTokens
from leasehold_api.objects.blobs import DirectoryBlobs
from leasehold_api.objects.logs import DirectoryLogs
from leasehold_api.objects.uploads import DirectoryUploads, RunningHashes
from leasehold_api.runs.retention import Retention
from leasehold_api.runs.thinning import KeptApart, Thinner
from leasehold_api.signals import Signal, Signals, Topic
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_agent_keys import SqlAgentKeys
from leasehold_api.storage.sql_agents import SqlAgents
from leasehold_api.storage.sql_asset_catalog import SqlAssetCatalog
from leasehold_api.storage.sql_asset_facts import SqlAssetFacts
from leasehold_api.storage.sql_asset_state import SqlAssetState
from leasehold_api.storage.sql_attempts import SqlAttempts
from leasehold_api.storage.sql_backfills import SqlBackfills
from leasehold_api.storage.sql_blocking import SqlBlocking
from leasehold_api.storage.sql_bootstrap import SqlBootstrap
from leasehold_api.storage.sql_callers import SqlCallers
from leasehold_api.storage.sql_context import SqlConnections
from leasehold_api.storage.sql_dags import SqlDags
from leasehold_api.storage.sql_identity import SqlIdentities
from leasehold_api.storage.sql_keys import SqlSigningKeys
from leasehold_api.storage.sql_leases import SqlLeases
from leasehold_api.storage.sql_metric_outbox import SqlMetricOutbox
from leasehold_api.storage.sql_oauth import SqlAuthorityStorage
from leasehold_api.storage.sql_operations import SqlRunOperations
from leasehold_api.storage.sql_people import people_on
from leasehold_api.storage.sql_pools import SqlCeilings, SqlPools
from leasehold_api.storage.sql_presence import SqlPresence
from leasehold_api.storage.sql_questions import SqlEvents, SqlQuestions
from leasehold_api.storage.sql_retention import SqlRetention
from leasehold_api.storage.sql_runs import SqlRuns
from leasehold_api.storage.sql_schedules import SqlSchedules
from leasehold_api.storage.sql_service_clients import SqlServiceClients
from leasehold_api.storage.sql_sites import SqlSites
from leasehold_api.storage.sql_task_state import SqlTaskState
from leasehold_api.storage.sql_teams import SqlTeams
from leasehold_api.storage.sql_thinning import SqlThinning
from leasehold_api.storage.sql_tokens import SqlApiTokens, SqlEnrolmentTokens
from leasehold_api.storage.sql_trail import SqlTrail
from leasehold_api.storage.sql_triggers import SqlTaskRuns
from leasehold_api.storage.sql_variables import SqlVariables
from leasehold_api.storage.sql_webhooks import SqlHookOutbox
from leasehold_api.storage.sql_why import SqlWhy
from leasehold_api.storage.sql_xcoms import SqlXComs
from leasehold_api.telemetry.delivery import Delivery
from leasehold_api.telemetry.exporting import exporter
from leasehold_api.watching import Watch
from leasehold_api.webhooks.courier import HookCourier
from leasehold_api.webhooks.sending import HookSender

KEYS_EVERY_S = 120
"""How often another process's rotation of the signing keys is noticed, and a rotation's next step taken."""


@asynccontextmanager
async def open_house(settings: Settings) -> AsyncGenerator[House]:
    """Open the database and build every service; close them at the end.

    Raises:
        NewerDatabaseError: if the database was used by a newer version.
        SettingsError: if the key-encryption key can't be used.
        sqlalchemy.exc.SQLAlchemyError: if the database can't be reached.
    """
    async with AsyncExitStack() as stack:
        yield await _build(settings, stack)


async def _build(settings: Settings, stack: AsyncExitStack) -> House:
    foundations = lay_foundations(settings, stack)
    now = clock.now()
    await ensure_bootstrap(SqlBootstrap(foundations.database), settings.state_dir, now)
    keys = await SigningKeys.load(SqlSigningKeys(foundations.database), foundations.sealer, now=now)
    scheduler = AsyncIOScheduler(timezone="UTC")
    house = _furnish(foundations, keys, scheduler)
    _connect_signals(foundations.signals, house)
    scheduler.add_job(_refresh_keys, "interval", seconds=KEYS_EVERY_S, args=[keys], coalesce=True)
    scheduler.start()
    stack.callback(scheduler.shutdown, wait=False)
    stack.push_async_callback(house.people.close)
    stack.push_async_callback(house.timekeeper.close)
    stack.push_async_callback(house.audit_sealer.close)
    stack.push_async_callback(house.retention.close)
    house.timekeeper.look()
    house.retention.start()
    stack.push_async_callback(house.hook_courier.close)
    house.hook_courier.look()
    house.audit_sealer.start()
    if (exporting := house.metric_exporter) is not None:
        scheduler.add_job(exporting.export, "interval", seconds=settings.otlp_interval_s, coalesce=True)
        stack.push_async_callback(exporting.close)
    return house


def _furnish(foundations: Foundations, keys: SigningKeys, scheduler: AsyncIOScheduler) -> House:
    settings, database, issuer = foundations.settings, foundations.database, foundations.issuer
    plans = Plans(max_map_length=settings.max_map_length)
    presence = SqlPresence(database)
    foundations.signals.listen(Topic.OFFERS, presence.forget)
    exports_metrics = settings.otlp_endpoint is not None
    leases = SqlLeases(database, plans, exports_metrics=exports_metrics)
    attempt_store = SqlAttempts(database, plans, exports_metrics=exports_metrics)
    logs = DirectoryLogs(settings.state_dir / "logs")
    kept_apart = KeptApart(
        logs=settings.log_retention_days,
        xcoms=settings.xcom_retention_days,
        metrics=settings.metric_retention_days,
    )

    def blobs_of(team_id: str) -> DirectoryBlobs:
        return DirectoryBlobs(settings.state_dir / "blobs" / team_id)

    running = RunningHashes()

    def uploads_of(team_id: str) -> DirectoryUploads:
        return DirectoryUploads(settings.state_dir / "blobs" / team_id, running)

    access_tokens = AccessTokens(issuer=issuer, keys=keys)
    people_tokens = PeopleTokens(issuer=issuer, keys=keys)
    task_tokens = TaskTokens(issuer=issuer, keys=keys)
    authority_storage = SqlAuthorityStorage(database, plans)
    parking = Parking()
    log_watch = Watch()
    connections = Connections(SqlConnections(database), foundations.sealer, foundations.references)
    variables = Variables(SqlVariables(database), foundations.sealer, foundations.references)
    trail = SqlTrail(database)
    return House(
        settings=settings,
        authentication=Authentication(
            SqlCallers(database),
            public_url=issuer,
            access_tokens=access_tokens,
            people_tokens=people_tokens,
            task_tokens=task_tokens,
            used_proofs=UsedProofs(),
            nonces=foundations.nonces,
        ),
        authority=Authority(
            authority_storage,
            issuer=issuer,
            tokens=IssuedTokens(access=access_tokens, people=people_tokens, task=task_tokens),
        ),
        approvals=Approvals(authority_storage),
        applications=Applications(authority_storage),
        signing_keys=keys,
        id_tokens=IdTokens(SqlIdentities(database), issuer=issuer, keys=keys),
        enrolment_rates=Rates(),
        device_rates=Rates(burst=30, per_s=0.5),
        user_code_rates=Rates(burst=20, per_s=0.1),
        people=people_on(database, settings),
        sign_in_rates=SignInRates(),
        nonces=foundations.nonces,
        probes=foundations.probes,
        registry=Registry(
            teams=SqlTeams(database),
            sites=SqlSites(database, plans, disconnected_after_s=settings.disconnected_after_s),
            agents=SqlAgents(database, plans, disconnected_after_s=settings.disconnected_after_s),
            agent_keys=SqlAgentKeys(database),
            enrolment_tokens=SqlEnrolmentTokens(database),
            api_tokens=SqlApiTokens(database),
            service_clients=SqlServiceClients(database),
        ),
        presence=presence,
        dags=SqlDags(database, start_paused=settings.dags_start_paused),
        runs=SqlRuns(database, plans),
        run_operations=SqlRunOperations(database, plans),
        retention_store=SqlRetention(database),
        thinning_store=SqlThinning(database),
        kept_apart=kept_apart,
        retention=Retention(
            SqlRetention(database),
            scheduler,
            logs=logs,
            blobs_of=blobs_of,
            server_days=settings.retention_days,
            thinner=Thinner(SqlThinning(database), logs=logs, kept=kept_apart, clock=clock.now),
            clock=clock.now,
        ),
        why=SqlWhy(
            database,
            plans,
            disconnected_after_s=settings.disconnected_after_s,
            packs=ServedPacks(settings.updates_dir),
        ),
        run_facts=SqlTaskRuns(database, plans),
        pools=SqlPools(database),
        ceilings=SqlCeilings(database),
        blocking=SqlBlocking(database),
        schedules=SqlSchedules(database, plans),
        backfills=SqlBackfills(database, plans),
        assets=SqlAssetCatalog(database),
        asset_facts=SqlAssetFacts(database),
        asset_state=SqlAssetState(database),
        questions=SqlQuestions(database),
        events=SqlEvents(database),
        leases=leases,
        parking=parking,
        streams=Streams(database.announce),
        dispatch=Dispatch(leases, parking, presence, clock=clock.now),
        offers=Offers(task_tokens, most_file_bytes=settings.most_file_bytes),
        timekeeper=Timekeeper(leases, SqlSchedules(database, plans), scheduler, clock=clock.now),
        scheduler=scheduler,
        connections=connections,
        variables=variables,
        giving=Giving(connections, variables),
        task_state=SqlTaskState(database),
        attempts=attempt_store,
        xcoms=SqlXComs(database),
        delivery=Delivery(
            leases=leases,
            attempts=attempt_store,
            logs=logs,
            blobs_of=blobs_of,
            log_grew=lambda attempt: database.announce([Signal(Topic.LOG, attempt)]),
            clock=clock.now,
        ),
        logs=logs,
        blobs_of=blobs_of,
        uploads_of=uploads_of,
        webhooks=SqlHookOutbox(database),
        hook_courier=HookCourier(
            SqlHookOutbox(database),
            HookSender(connections, private_allowed=settings.webhooks_private_addresses, clock=clock.now),
            scheduler,
            clock=clock.now,
        ),
        run_watch=Watch(),
        log_watch=log_watch,
        trail=trail,
        refusals=Refusals(trail, Rates(burst=30, per_s=0.1)),
        audit_sealer=AuditSealer(trail, scheduler, clock=clock.now),
        metric_exporter=exporter(settings, SqlMetricOutbox(database), clock=clock.now),
    )


def _connect_signals(signals: Signals, house: House) -> None:
    signals.listen(Topic.QUEUED, house.parking.work_queued)
    signals.listen(Topic.OFFERS, house.parking.site_changed)
    signals.listen(Topic.AGENT, house.parking.agent_called)
    signals.listen(Topic.STREAM, house.streams.heard)
    signals.listen(Topic.RUN, house.run_watch.changed)
    signals.listen(Topic.LOG, house.log_watch.changed)
    signals.listen(Topic.AUDIT, lambda _key: house.audit_sealer.look())
    signals.listen(Topic.HOOK, lambda _key: house.hook_courier.look())
    signals.listen(Topic.TIMER, house.timekeeper.heard)


async def _refresh_keys(keys: SigningKeys) -> None:
    """Notice what another process did, and take the next step of a rotation that is due."""
    now = clock.now()
    await keys.refresh(now=now)
    if keys.rotation_is_due(now=now):
        await keys.rotate(now=now)
