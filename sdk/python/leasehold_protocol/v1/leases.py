"""Claiming, renewing and ending leases: what an agent and the API say to each other while work goes on."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from leasehold_protocol.v1.assets import MOST_OUTLET_EVENTS, AssetEvent, AssetEventSaid
from leasehold_protocol.v1.context import Given
from leasehold_protocol.v1.grants import StreamGrant
from leasehold_protocol.v1.health import AgentHealth
from leasehold_protocol.v1.manifest import RESULT_KEY, TaskEntry
from leasehold_protocol.v1.mapping import ItemPart
from leasehold_protocol.v1.message import Identifier, Instant, Json, Key, Message, Name, Seconds, Sha256, Text
from leasehold_protocol.v1.orders import Orders
from leasehold_protocol.v1.schedules import MOST_TRIGGERING_EVENTS
from leasehold_protocol.v1.signing import SignedTask
from leasehold_protocol.v1.telemetry import LogTail, MetricPoint
from leasehold_protocol.v1.waiting import Earlier, StateChange, Wait

AttemptId = Identifier
"""``<task instance id>.<epoch>``: one try at a task instance. The epoch travels inside every attempt id."""


def attempt_id(task_instance: str, epoch: int) -> str:
    """Return the id of the attempt that a task instance's ``epoch`` stands for."""
    return f"{task_instance}.{epoch}"


def parse_attempt_id(attempt: str) -> tuple[str, int]:
    """Return (task instance id, epoch).

    Raises:
        ValueError: if the text is not an attempt id.
    """
    instance, dot, epoch = attempt.rpartition(".")
    if not dot or not instance or not epoch.isascii() or not epoch.isdigit() or len(epoch) > 9:
        raise ValueError(f"not an attempt id: {attempt!r}")
    return instance, int(epoch)


class PreviousSuccess(Message):
    """The newest run of the DAG before this one, by logical date, that succeeded."""

    logical_date: Instant
    data_interval_start: Instant | None = None
    data_interval_end: Instant | None = None
    """None: the logical date."""
    started_at: Instant | None = None
    ended_at: Instant | None = None


class RunFacts(Message):
    """What a task may know about the run it belongs to."""

    run: Identifier
    dag: Name
    dag_version: int
    team: Name
    params: dict[str, Json] = Field(default_factory=dict[str, Json])
    logical_date: Instant
    trigger: str = "manual"
    data_interval_start: Instant | None = None
    data_interval_end: Instant | None = None
    """None: the logical date."""
    triggering_events: Annotated[list[AssetEvent], Field(max_length=MOST_TRIGGERING_EVENTS)] = Field(
        default_factory=list[AssetEvent]
    )
    """The asset events that began it, oldest first."""
    previous_success: PreviousSuccess | None = None
    """Only where something of the DAG, or a parameter of the run, may name it in a template."""


class Input(Message):
    """An upstream result that the task's arguments name."""

    task: Name
    key: Key = RESULT_KEY
    size: int
    """Length of the JSON text in bytes."""
    inline: bool = True
    """False: too large to travel with the lease; read it at ``GET /v1/task/xcoms/{task}/{key}``."""
    value: Json = None
    mapped: bool = False
    """The task is mapped: this is the list of what its instances left, read at ``GET /v1/task/mapped-xcoms/…``."""


class Lease(Message):
    """The right to run one attempt, with everything needed to begin."""

    attempt: AttemptId
    task_instance: Identifier
    epoch: int
    map_index: int = -1
    item: list[ItemPart] | None = None
    """Of a mapped task: which item of each of its sources this instance is for."""
    try_number: int
    length_s: Seconds
    """How long the lease lasts, from the moment the request for it was sent; the agent counts on its own clock."""
    run: RunFacts
    task: TaskEntry
    bundle: Sha256 | None = None
    signed: SignedTask | None = None
    """Proves that team, DAG, task and bundle are what the DAG's author signed; none: the version is not signed."""
    inputs: list[Input] = Field(default_factory=list[Input])
    task_token: str = Field(repr=False)
    """Opens this lease's resources and nothing else (RFC 9068 access token, bound to the agent's key)."""
    task_token_expires_in_s: Seconds
    earlier: Earlier | None = None
    """None: the API is too old to start a task again after it waited."""
    downstream: list[Name] | None = None
    """The tasks that depend on this one directly. None: the API is too old to skip them."""
    given: Given | None = Field(default=None, repr=False)
    """At a trusted site: the connections and variables that the task declared. What is missing is asked for."""
    most_file_bytes: Annotated[int, Field(ge=0)] | None = None
    """The largest file that the task may push; none: whoever gave this lease takes none, or does not say."""
    inactive_assets: str | None = None
    """Why the task must not start: an inlet or outlet of it is not active."""


class Control(Message):
    """What the API wants of an agent. Carried by every answer to it."""

    kind: Literal["cancel", "drain", "resume", "hello"]
    """``cancel`` an attempt; ``drain``: take no new leases; ``resume``: take them again; ``hello``: say hello again."""
    attempt: AttemptId | None = None
    reason: str | None = None


class LeaseRequest(Message):
    """``POST /v1/agent/leases``: pull."""

    free_slots: Annotated[int, Field(ge=0, le=1024)]
    """None: the agent takes no leases now, and only waits for what the API wants of it."""
    wait_s: Annotated[float, Field(ge=0, le=50)] = 50.0


class LeaseAnswer(Message):
    """Leases, control events, or neither when the wait was over first (then the answer is 204)."""

    leases: list[Lease] = Field(default_factory=list[Lease])
    control: list[Control] = Field(default_factory=list[Control])
    waited_s: Seconds | None = None
    """How long the request was at the API. What it took beyond that was the way: leases that were long on it may be
    others' by now."""
    orders: Orders | None = None
    """What is ordered of this agent, when there is something to tell it; none: as before."""


class HeldLease(Message):
    """One lease an agent holds, as it renews it."""

    attempt: AttemptId
    progress: Annotated[float, Field(ge=0, le=1)] | None = None
    note: Annotated[Text, Field(max_length=500)] | None = None
    label: Annotated[Text, Field(max_length=500)] | None = None
    needs_token: bool = False
    """The agent has no task token for it (it restarted), or the one it has is more than half over."""


class RenewalRequest(Message):
    """``POST /v1/agent/renewals``: every lease held. Also the agent's sign of life.

    Held is every attempt whose outcome is not acknowledged, ended ones too: a lease the agent does not name
    never reached it, and is queued again. Hundreds more than one request holds come in several.
    """

    leases: Annotated[list[HeldLease], Field(max_length=1024)] = Field(default_factory=list[HeldLease])
    names_all: bool = True
    """False: it holds more than this; a lease that is not named says nothing."""
    paused_because: list[str] = Field(default_factory=list[str])
    """Why the agent takes no new leases at the moment; empty when it does."""
    asked_at: Instant | None = None
    """When this was said, by the server's clock as the agent knows it: a request that was held up on its way must not
    speak of leases that were given since."""
    health: AgentHealth | None = None
    grant: StreamGrant | None = None
    """From an agent with a stream: it goes on for as long as this request's access token is good."""


class RenewalVerdict(StrEnum):
    """What became of one lease."""

    RENEWED = "renewed"
    CANCELLED = "cancelled"  # stop it; the lease goes on until its outcome is in
    LOST = "lost"  # another attempt has it, or the run is gone: stop at once


class Renewal(Message):
    """The answer for one lease."""

    attempt: AttemptId
    verdict: RenewalVerdict
    length_s: Seconds = 0.0
    """From the moment the request was sent."""
    reason: str | None = None
    task_token: str | None = Field(default=None, repr=False)
    """A new task token, when the agent asked for one."""
    task_token_expires_in_s: Seconds = 0.0


class RenewalAnswer(Message):
    """One renewal per lease, in the order asked."""

    leases: list[Renewal] = Field(default_factory=list[Renewal])
    control: list[Control] = Field(default_factory=list[Control])
    orders: Orders | None = None
    """What is ordered of this agent; none: as before."""


class EndingKind(StrEnum):
    """How an attempt ended, as the site saw it."""

    SUCCESS = "success"
    FAILED = "failed"  # the task's own failure: its retries apply
    FAILED_FOR_GOOD = "failed_for_good"  # the task said that trying again is no use
    SKIPPED = "skipped"
    RETRY = "retry"  # the task asked to be tried again
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"  # the whole process tree is dead
    LOST = "lost"  # the site lost the attempt (power, kill -9 of its host): an infrastructure failure
    LEASE_EXPIRED = "lease_expired"  # the site stopped it because it could not renew in time
    COULD_NOT_START = "could_not_start"  # the site could not run it (no such runtime, bundle broken)
    REFUSED = "refused"  # the site's own policy does not let it run: no try, and no failure of anybody's
    RESCHEDULED = "rescheduled"  # started again later: no try, no failure
    DEFERRED = "deferred"  # started again when what it waits for has happened: no try, no failure


class Usage(Message):
    """What the attempt's process tree used."""

    cpu_s: float = 0.0
    max_rss_bytes: int = 0


class Refusal(Message):
    """With the ending ``refused``: what to remember, so that the same is not asked again at once."""

    policy: Annotated[Text, Field(min_length=1, max_length=200)]
    """The fingerprint of the policy that refuses; another policy may be asked at once."""
    concerns: Literal["task", "instance"] = "task"
    """The task in this version of its DAG, or this one task instance, whose arguments were refused."""
    again_after_s: Seconds = 3600.0


class Ending(Message):
    """How an attempt ended. Written once, as ``ending.json``."""

    kind: EndingKind
    message: Annotated[Text, Field(max_length=4000)] | None = None
    """One line for a person: the exception, ``exit status 3``, ``killed by signal 9``."""
    label: Annotated[Text, Field(max_length=500)] | None = None
    """What the task called itself."""
    exit_code: int | None = None
    signal: int | None = None
    retry_after_s: Seconds | None = None
    """With ``retry``: the author's own delay."""
    started_at: Instant | None = None
    ended_at: Instant
    usage: Usage | None = None
    refusal: Refusal | None = None
    """With ``refused``; without it nothing is remembered, and any agent may be asked again."""
    again_after_s: Seconds | None = None
    again_at: Instant | None = None
    """With ``rescheduled``: one of the two."""
    wait: Wait | None = None
    """With ``deferred``."""
    skip: list[Name] = Field(default_factory=list[Name])
    """With ``success``: direct downstream tasks that are skipped."""
    asset_events: Annotated[list[AssetEventSaid], Field(max_length=MOST_OUTLET_EVENTS)] = Field(
        default_factory=list[AssetEventSaid]
    )
    """With ``success``: what the events of the task's outlets say."""


class RenderedField(Message):
    """One argument of a task as people are shown it: short, its secrets masked."""

    name: Annotated[Text, Field(max_length=200)]
    """``day``, ``args[0]``, ``argv[1]``, ``env.LEVEL``."""
    text: Annotated[Text, Field(max_length=4096)]
    """Text as it is, anything else as JSON."""
    cut: bool = False
    """It goes on."""


class Rendered(Message):
    """What the templates and arguments of one attempt came to: 64 KiB at most."""

    fields: Annotated[list[RenderedField], Field(max_length=20_000)]
    left_out: int = 0
    """How many did not find room."""


class SmallXCom(Message):
    """An XCom that travels with the outcome."""

    key: Key
    value: Json


class Outcome(Message):
    """The end of one attempt, with whatever of its telemetry is not delivered yet and is small."""

    attempt: AttemptId
    ending: Ending
    xcoms: list[SmallXCom] = Field(default_factory=list[SmallXCom])
    log: LogTail | None = None
    metrics: list[MetricPoint] = Field(default_factory=list[MetricPoint])
    rendered: Rendered | None = None
    """For people to look at; none: the task had no arguments."""
    state: list[StateChange] = Field(default_factory=list[StateChange])
    """Writes to the task's state that are not delivered yet, in their order."""


class OutcomeBatch(Message):
    """``POST /v1/agent/outcomes``."""

    outcomes: Annotated[list[Outcome], Field(max_length=256)]
    free_slots: Annotated[int, Field(ge=0, le=1024)] = 0
    """More than zero: the answer may carry this many new leases at most."""
    grant: StreamGrant | None = None
    """From an agent with a stream: the leases that may fill the slots come there."""


class OutcomeVerdict(StrEnum):
    """What became of one outcome."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"  # recorded before: the answer to it was lost
    STALE = "stale"  # a newer epoch exists: this attempt has no effect
    REFUSED = "refused"  # can never be recorded (see reason); the agent keeps it on disk for a person


class OutcomeAck(Message):
    """The answer for one outcome."""

    attempt: AttemptId
    verdict: OutcomeVerdict
    reason: str | None = None
    log_offset: int | None = None
    """Bytes of this attempt's log that the API has, made durable."""
    metric_seq: int | None = None
    """The highest metric sequence number the API has."""


class OutcomeAnswer(Message):
    """One acknowledgement per outcome, in order; and perhaps the next leases."""

    outcomes: list[OutcomeAck]
    leases: list[Lease] = Field(default_factory=list[Lease])
    control: list[Control] = Field(default_factory=list[Control])
    waited_s: Seconds | None = None
    """As in ``LeaseAnswer``: how long the request was at the API."""
