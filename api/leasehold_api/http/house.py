"""The services of a running API, by name. Built in one place (``app``), handed to the routes as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from fastapi import Request

from leasehold_api.assets.asking import AssetCatalog, AssetFacts, AssetStateStore
from leasehold_api.audit.sealer import AuditSealer
from leasehold_api.audit.trail import Trail
from leasehold_api.config import Settings
from leasehold_api.context.connections import Connections
from leasehold_api.context.giving import Giving
from leasehold_api.context.task_state import TaskStateStore
from leasehold_api.context.variables import Variables
from leasehold_api.dags.catalog import DagStore
from leasehold_api.fleet.presence import PresenceStore
from leasehold_api.fleet.registry import Registry
from leasehold_api.http.authentication import Authentication
from leasehold_api.http.refusals import Refusals
from leasehold_api.http.sign_in_rates import SignInRates
from leasehold_api.leases.claimed import LeaseStore
from leasehold_api.leases.dispatch import Dispatch
from leasehold_api.leases.offer import Offers
from leasehold_api.leases.parking import Parking
from leasehold_api.leases.streams import Streams
from leasehold_api.leases.timekeeper import Timekeeper
from leasehold_api.oauth.parts.rates import Rates
from leasehold_api.oauth.people.applications import Applications
from leasehold_api.oauth.people.approvals import Approvals
from leasehold_api.oauth.possession.nonces import Nonces
from leasehold_api.oauth.server import Authority
from leasehold_api.oauth.tokens.id_tokens import IdTokens
from leasehold_api.oauth.tokens.keys import SigningKeys
from leasehold_api.objects.blobs import BlobsOf
from leasehold_api.objects.logs import LogStore
from leasehold_api.objects.uploads import UploadsOf
from leasehold_api.people.people import People
from leasehold_api.runs.blocking import BlockingStore
from leasehold_api.runs.catalog import RunStore
from leasehold_api.runs.facts import RunFactsStore
from leasehold_api.runs.operations import RunOperations
from leasehold_api.runs.pools import CeilingStore, PoolStore
from leasehold_api.runs.questions import EventStore, QuestionStore
from leasehold_api.runs.retention import Retention, RetentionStore
from leasehold_api.runs.thinning import KeptApart, ThinningStore
from leasehold_api.runs.why import WhyStore
from leasehold_api.schedules.catalog import BackfillStore, ScheduleStore
from leasehold_api.telemetry.attempts import AttemptStore
from leasehold_api.telemetry.delivery import Delivery
from leasehold_api.telemetry.exporting import MetricExporter
from leasehold_api.telemetry.xcoms import XComReads
from leasehold_api.watching import Watch
from leasehold_api.webhooks.courier import HookCourier
from leasehold_api.webhooks.outbox import HookOutbox


@dataclass(frozen=True, kw_only=True)
class House:
    """Everything the routes use."""

    settings: Settings
    # who may call
    authentication: Authentication
    authority: Authority
    approvals: Approvals
    applications: Applications
    signing_keys: SigningKeys
    id_tokens: IdTokens
    enrolment_rates: Rates
    device_rates: Rates
    user_code_rates: Rates
    people: People
    nonces: Nonces
    probes: Nonces
    """Lets this service's own doctor ask for ``/healthz/way``."""
    sign_in_rates: SignInRates
    # who and where
    registry: Registry
    presence: PresenceStore
    # what is to be done
    dags: DagStore
    runs: RunStore
    run_operations: RunOperations
    why: WhyStore
    retention_store: RetentionStore
    retention: Retention
    thinning_store: ThinningStore
    kept_apart: KeptApart
    run_facts: RunFactsStore
    pools: PoolStore
    ceilings: CeilingStore
    blocking: BlockingStore
    schedules: ScheduleStore
    backfills: BackfillStore
    assets: AssetCatalog
    asset_facts: AssetFacts
    asset_state: AssetStateStore
    questions: QuestionStore
    events: EventStore
    leases: LeaseStore
    parking: Parking
    streams: Streams
    dispatch: Dispatch
    offers: Offers
    timekeeper: Timekeeper
    scheduler: AsyncIOScheduler
    # what tasks are given, and what they leave behind
    connections: Connections
    variables: Variables
    task_state: TaskStateStore
    giving: Giving
    attempts: AttemptStore
    xcoms: XComReads
    delivery: Delivery
    logs: LogStore
    blobs_of: BlobsOf
    uploads_of: UploadsOf
    # what is told to others
    webhooks: HookOutbox
    hook_courier: HookCourier
    # who waits for news
    run_watch: Watch
    log_watch: Watch
    # who did what
    trail: Trail
    refusals: Refusals
    audit_sealer: AuditSealer
    # what goes out by itself
    metric_exporter: MetricExporter | None

    def stop_waiting(self) -> None:
        """Answer everyone who waits: the service is stopping."""
        self.parking.close()
        self.run_watch.close()
        self.log_watch.close()


def house(request: Request) -> House:
    """Return what the composition root built."""
    return cast("House", request.app.state.house)
