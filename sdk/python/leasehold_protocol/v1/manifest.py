"""What an author's DAG compiles to: pure data, from which the API plans and the agent runs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, model_validator

from leasehold_protocol.v1.assets import MOST_ASSETS, AssetDeclared
from leasehold_protocol.v1.containers import ContainerWork as ContainerWork
from leasehold_protocol.v1.containers import ResultFrom as ResultFrom
from leasehold_protocol.v1.expressions import RESULT_KEY as RESULT_KEY
from leasehold_protocol.v1.expressions import DictValue as DictValue
from leasehold_protocol.v1.expressions import Expression as Expression
from leasehold_protocol.v1.expressions import ItemValue as ItemValue
from leasehold_protocol.v1.expressions import ListValue as ListValue
from leasehold_protocol.v1.expressions import LiteralValue as LiteralValue
from leasehold_protocol.v1.expressions import ParamValue as ParamValue
from leasehold_protocol.v1.expressions import ResultsValue as ResultsValue
from leasehold_protocol.v1.expressions import ResultValue as ResultValue
from leasehold_protocol.v1.expressions import TemplateValue as TemplateValue
from leasehold_protocol.v1.mapping import Mapped
from leasehold_protocol.v1.message import Audience, Json, Key, KeyPattern, Message, Name, Seconds, Sha256
from leasehold_protocol.v1.schedules import Schedule

MANIFEST_VERSION: Final = 1
DEFAULT_POOL: Final = "default_pool"
"""The pool of tasks that name none, Airflow's name for it; it has no limit."""


class TriggerRule(StrEnum):
    """When a task may run, by how its upstream tasks ended. Airflow's names."""

    ALL_SUCCESS = "all_success"
    ALL_FAILED = "all_failed"
    ALL_DONE = "all_done"
    ALL_DONE_MIN_ONE_SUCCESS = "all_done_min_one_success"
    ALL_DONE_SETUP_SUCCESS = "all_done_setup_success"
    """The rule of every teardown: all have ended, and of the setups among them one succeeded at least."""
    ALL_SKIPPED = "all_skipped"
    ONE_SUCCESS = "one_success"
    ONE_FAILED = "one_failed"
    ONE_DONE = "one_done"
    NONE_FAILED = "none_failed"
    NONE_FAILED_MIN_ONE_SUCCESS = "none_failed_min_one_success"
    NONE_SKIPPED = "none_skipped"
    ALWAYS = "always"


class TaskRole(StrEnum):
    """What a task is there for."""

    WORK = "work"
    SETUP = "setup"
    """It makes what the tasks after it need."""
    TEARDOWN = "teardown"
    """It takes away what its setups made, whatever became of the tasks between."""


class Skips(StrEnum):
    """What becomes of the tasks after one that says they are to be skipped."""

    DIRECT = "direct"
    """Those it names; what comes after them follows its trigger rules."""
    ALL = "all"
    """Everything after it, whatever its trigger rules, except teardowns."""


class Isolation(StrEnum):
    """Where a ``@task`` function begins."""

    WARM = "warm"
    """In a process forked from one that has the SDK, and what the bundle imports, in memory already."""
    FRESH = "fresh"
    """In a new interpreter."""


class PythonWork(Message):
    """A ``@task`` function."""

    kind: Literal["python"] = "python"
    module: str
    function: str
    args: list[Expression] = Field(default_factory=list[Expression])
    kwargs: dict[str, Expression] = Field(default_factory=dict[str, Expression])
    isolation: Isolation = Isolation.WARM
    spread: bool = False
    """Of a mapped task: its item is a dictionary of further keyword arguments."""
    follows: dict[Name, list[Name]] = Field(default_factory=dict[str, list[str]])
    """Of a branch: what may be followed, tasks and groups, and which of the tasks directly after it run then."""


class ProgramWork(Message):
    """A program: an argument vector, or one line for the shell when ``shell`` is set."""

    kind: Literal["program"] = "program"
    argv: Annotated[list[Expression], Field(min_length=1)]
    shell: bool = False
    env: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Expression] = Field(
        default_factory=dict[str, Expression]
    )
    result: ResultFrom = ResultFrom.LAST_LINE
    spread: bool = False
    """Of a mapped task: its item is a dictionary of further environment variables."""


Work = Annotated[PythonWork | ProgramWork | ContainerWork, Field(discriminator="kind")]


class RetryBackoff(StrEnum):
    """How the delay before a retry grows."""

    CONSTANT = "constant"
    EXPONENTIAL = "exponential"


class Needs(Message):
    """What a task needs from the place where it runs. The API matches it against what sites offer."""

    connections: list[Name] = Field(default_factory=list[Name])
    labels: dict[Name, str] = Field(default_factory=dict[str, str])
    """Label → condition: ``=x`` (or just ``x``), ``!=x``, ``<x``, ``<=x``, ``>x``, ``>=x``."""
    runtime: Name = "python"


class TaskEntry(Message):
    """One task of a DAG."""

    id: Name
    work: Work
    mapped: Mapped | None = None
    """What it has an instance for each of; none: it has one."""
    upstream: list[Name] = Field(default_factory=list[Name])
    trigger_rule: TriggerRule = TriggerRule.ALL_SUCCESS
    role: TaskRole = TaskRole.WORK
    fails_run: bool = False
    """Of a teardown: the run fails when it does."""
    skips: Skips = Skips.DIRECT
    group: Name | None = None
    """The path of the task group that it is in, from the outermost: ``load.north``."""
    needs: Needs = Needs()
    variables: list[KeyPattern] = Field(default_factory=list[KeyPattern])
    id_tokens: list[Audience] = Field(default_factory=list[Audience])
    """Audiences that the task may ask identity tokens for."""
    dags: list[Name] = Field(default_factory=list[Name])
    """Other DAGs whose runs the task may look at."""
    triggers: list[Name] = Field(default_factory=list[Name])
    """DAGs that the task may start runs of, and look at."""
    inlets: Annotated[list[AssetDeclared], Field(max_length=MOST_ASSETS)] = Field(default_factory=list[AssetDeclared])
    """Assets that the task may look at."""
    outlets: Annotated[list[AssetDeclared], Field(max_length=MOST_ASSETS)] = Field(default_factory=list[AssetDeclared])
    """Assets that the task writes: each has an event when it succeeds."""
    inlet_aliases: Annotated[list[Key], Field(max_length=MOST_ASSETS)] = Field(default_factory=list[Key])
    outlet_aliases: Annotated[list[Key], Field(max_length=MOST_ASSETS)] = Field(default_factory=list[Key])
    """Names for assets that only the running task knows."""
    retries: Annotated[int, Field(ge=0, le=1000)] = 0
    retry_delay_s: Seconds = 30.0
    retry_backoff: RetryBackoff = RetryBackoff.CONSTANT
    """``exponential``: twice as long with every try, up to ``max_retry_delay_s``."""
    max_retry_delay_s: Annotated[float, Field(gt=0, le=366 * 86400)] = 86400.0
    timeout_s: Annotated[float, Field(gt=0, le=30 * 86400)] | None = None
    max_offline_s: Annotated[float, Field(ge=10, le=7 * 86400)] = 300.0
    """How long the task may run unseen; the length of its lease."""
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    queue_timeout_s: Annotated[float, Field(gt=0, le=366 * 86400)] | None = None
    """How long it may wait to be started, each time it is queued; then it fails."""
    pool: Name | None = None
    """The team's pool whose slots it takes; none: ``default_pool``, which has no end."""
    pool_slots: Annotated[int, Field(ge=1, le=100_000)] = 1
    max_active_tis_per_dag: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """The most instances of this task at once, over all runs of the DAG."""
    max_active_tis_per_dagrun: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """The most (mapped) instances of this task at once, in one run."""
    file: str | None = None
    line: int | None = None
    """Where the author wrote it, for messages."""


class CarriedWheel(Message):
    """A package that travels with a DAG: sent and fetched by its hash, like a bundle."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+!\-]{0,250}\.whl$")]
    sha256: Sha256


HookTarget = Annotated[
    str, StringConstraints(pattern=r"^(https?://[^\s@?#]{1,1900}|[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127})$")
]
"""An address without secrets in it, or the name of a connection."""

Targets = Annotated[list[HookTarget], Field(max_length=10)]


class Manifest(Message):
    """One version of a DAG."""

    manifest_version: Literal[1] = MANIFEST_VERSION
    dag: Name
    description: str = ""
    params_schema: dict[str, Json] = Field(default_factory=dict[str, Json])
    """JSON Schema (2020-12) of the run's parameters, with their defaults."""
    tasks: Annotated[list[TaskEntry], Field(min_length=1, max_length=20_000)]
    bundle: Sha256 | None = None
    """The zip with the author's code; none when no task needs Python code."""
    on_failure: Targets = Field(default_factory=list[str])
    """Who hears of it when a run fails: an address, or the name of a connection."""
    on_success: Targets = Field(default_factory=list[str])
    on_retry: Targets = Field(default_factory=list[str])
    """Who hears of it when a task failed and will be tried again."""
    retention_days: Annotated[float, Field(gt=0, le=36500)] | None = None
    """How long runs that ended are kept, where the server keeps them no shorter; none: as the server says."""
    requires_python: str | None = None
    dependencies: list[str] = Field(default_factory=list[str])
    max_active_tasks: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """The most task instances at once in one run."""
    max_active_tasks_per_dag: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """The most task instances at once over all runs of this DAG."""
    lock: Sha256 | None = None
    """Of the locked dependencies, which are in the bundle; none: there are no dependencies."""
    wheels: Annotated[list[CarriedWheel], Field(max_length=2000)] = Field(default_factory=list[CarriedWheel])
    """Packages that travel with the DAG; the others come from the package index of the site."""
    schedule: Schedule | None = None
    """When it runs by itself."""
    max_active_runs: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """How many runs of it go on at the same time; more wait as ``queued``. Those of backfills do not count."""

    @model_validator(mode="after")
    def _is_a_dag(self) -> Manifest:
        known = {task.id for task in self.tasks}
        if len(known) != len(self.tasks):
            raise ValueError("two tasks have the same id")
        for task in self.tasks:
            if unknown := [name for name in task.upstream if name not in known]:
                raise ValueError(f"task {task.id!r} depends on {unknown[0]!r}, which is not in the DAG")
        if cycle := _find_cycle({task.id: task.upstream for task in self.tasks}):
            raise ValueError("the tasks depend on each other in a circle: " + " → ".join(cycle))
        return self


def _find_cycle(upstream: dict[str, list[str]]) -> list[str]:
    """Return one cycle as a path that ends where it began, or an empty list (iterative: a DAG may be deep)."""
    done: set[str] = set()
    for start in upstream:
        path: list[str] = []
        on_path: set[str] = set()
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                path.pop()
                on_path.discard(name)
                done.add(name)
            elif name in on_path:
                return [*path[path.index(name) :], name]
            elif name not in done:
                path.append(name)
                on_path.add(name)
                stack.append((name, True))
                stack.extend((other, False) for other in upstream[name])
    return []
