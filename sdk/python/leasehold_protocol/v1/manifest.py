"""What an author's DAG compiles to: pure data, from which the API plans and the agent runs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, model_validator

from leasehold_protocol.v1.assets import MOST_ASSETS, AssetDeclared
from leasehold_protocol.v1.message import Audience, Json, Key, KeyPattern, Message, Name, Seconds, Sha256
from leasehold_protocol.v1.schedules import Schedule

MANIFEST_VERSION: Final = 1
RESULT_KEY = "return_value"
"""The XCom key of a task's result, Airflow's name for it."""


class TriggerRule(StrEnum):
    """When a task may run, by how its upstream tasks ended. Airflow's names."""

    ALL_SUCCESS = "all_success"
    ALL_DONE = "all_done"


class LiteralValue(Message):
    """A value known when the DAG was compiled."""

    kind: Literal["literal"] = "literal"
    value: Json


class ParamValue(Message):
    """A parameter of the run."""

    kind: Literal["param"] = "param"
    name: Name


class ResultValue(Message):
    """What an upstream task returned, or pushed under ``key``."""

    kind: Literal["result"] = "result"
    task: Name
    key: Key = RESULT_KEY


class TemplateValue(Message):
    """Text with ``{{ … }}`` in it, rendered where the task runs."""

    kind: Literal["template"] = "template"
    text: str


class ListValue(Message):
    """A list that has expressions inside."""

    kind: Literal["list"] = "list"
    items: list[Expression]


class DictValue(Message):
    """A mapping that has expressions inside."""

    kind: Literal["dict"] = "dict"
    items: dict[str, Expression]


Expression = Annotated[
    LiteralValue | ParamValue | ResultValue | TemplateValue | ListValue | DictValue, Field(discriminator="kind")
]
"""Where an argument's value comes from."""


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


class ResultFrom(StrEnum):
    """Which part of a program's standard output is its result."""

    NOTHING = "nothing"
    LAST_LINE = "last_line"
    TEXT = "text"
    JSON = "json"


class ProgramWork(Message):
    """A program: an argument vector, or one line for the shell when ``shell`` is set."""

    kind: Literal["program"] = "program"
    argv: Annotated[list[Expression], Field(min_length=1)]
    shell: bool = False
    env: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Expression] = Field(
        default_factory=dict[str, Expression]
    )
    result: ResultFrom = ResultFrom.LAST_LINE


Work = Annotated[PythonWork | ProgramWork, Field(discriminator="kind")]


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
    upstream: list[Name] = Field(default_factory=list[Name])
    trigger_rule: TriggerRule = TriggerRule.ALL_SUCCESS
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
    timeout_s: Annotated[float, Field(gt=0, le=30 * 86400)] | None = None
    max_offline_s: Annotated[float, Field(ge=10, le=7 * 86400)] = 300.0
    """How long the task may run unseen; the length of its lease."""
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    file: str | None = None
    line: int | None = None
    """Where the author wrote it, for messages."""


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
    requires_python: str | None = None
    dependencies: list[str] = Field(default_factory=list[str])
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


ListValue.model_rebuild()
DictValue.model_rebuild()
