"""``leasehold dags``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from leasehold.cli import completing, screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import Api, rows
from leasehold.cli.dag_files import read_dag_file
from leasehold.cli.errors import FailedError, WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.graph.picture import picture
from leasehold.cli.graph.subjects import as_data, kind_of, tasks_of_dag
from leasehold.cli.mistake_views import show_mistake
from leasehold.cli.options import JsonOption, TeamOption, group
from leasehold.cli.session import ask
from leasehold_protocol.v1.manifest import Manifest, TaskEntry
from leasehold_protocol.v1.message import Json
from leasehold_protocol.v1.runs import DagDetail, DagList, DagVersionList
from leasehold_protocol.v1.schedules import PauseDag, ScheduleStanding
from leasehold_protocol.v1.signing import SignatureFacts

app = group("DAGs: what is deployed.")

DagName = Annotated[str, typer.Argument(help="The DAG's name.", metavar="DAG", autocompletion=completing.dags)]


@app.command("list", epilog=examples("leasehold dags list"))
def list_dags(*, team: TeamOption = None, json: JsonOption = False) -> None:
    """List the team's DAGs, each in its newest version."""
    dags = ask(lambda api: rows(api.pages(api.of_team("dags"), DagList)), team=team)
    if json:
        screen.write_json(dags)
        return
    now = screen.now()
    screen.table(
        ["dag", "version", "tasks", "schedule", "next run", "deployed", "by", "signed", "description"],
        [
            (
                dag.dag,
                str(dag.version),
                str(dag.tasks),
                "" if dag.schedule is None else dag.schedule.text,
                _next_run(dag.schedule, now=now),
                show_when(dag.deployed_at, now=now),
                dag.deployed_by,
                "" if dag.signed is None else "yes",
                _first_line(dag.description),
            )
            for dag in dags
        ],
        empty="No DAG is deployed. Deploy one: leasehold deploy FILE",
    )


@app.command("show", epilog=examples("leasehold dags show sensor_report"))
def show(
    dag: DagName,
    *,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Show a DAG: its parameters, and its tasks with what they wait for and what they need."""

    async def work(api: Api) -> DagDetail:
        return await api.get(api.of_team("dags", dag), DagDetail)

    found = ask(work, team=team)
    if json:
        screen.write_json(found)
        return
    screen.facts(
        [
            ("dag", f"{found.dag} version {found.version}"),
            ("deployed", f"{show_when(found.deployed_at, now=screen.now())} by {found.deployed_by}"),
            ("signed", _signed(found.signed)),
            ("about", _first_line(found.description)),
            *_schedule_facts(found.schedule),
            ("params", _params(found.manifest.params_schema)),
        ]
    )
    screen.show(
        screen.make_table(
            ["task", "kind", "after", "needs", "retries"], [task_row(task) for task in found.manifest.tasks]
        )
    )


@app.command(
    "pause",
    epilog=examples("leasehold dags pause sensor_report --note 'the plant is closed'"),
)
def pause(
    dag: Annotated[str, typer.Argument(help="The DAG's name.", metavar="DAG")],
    *,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Why; it is shown with the DAG.")] = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Let a DAG's schedule begin no more runs. What goes on does so, and runs can be triggered."""

    async def work(api: Api) -> ScheduleStanding:
        return await api.send("POST", api.of_team("dags", dag, "pause"), PauseDag(note=note), ScheduleStanding)

    found = ask(work, team=team)
    if json:
        screen.write_json(found)
    else:
        screen.say(f"{dag} is paused. Let it go on: leasehold dags unpause {dag}")


@app.command("unpause", epilog=examples("leasehold dags unpause sensor_report"))
def unpause(
    dag: Annotated[str, typer.Argument(help="The DAG's name.", metavar="DAG")],
    *,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Let a DAG's schedule begin runs again: of the times meanwhile the latest has one, or with catch-up each."""

    async def work(api: Api) -> ScheduleStanding:
        return await api.create(api.of_team("dags", dag, "unpause"), ScheduleStanding)

    found = ask(work, team=team)
    if json:
        screen.write_json(found)
    else:
        when = f" Its next run: {_next_run(found, now=screen.now())}." if found.next else ""
        screen.say(f"{dag} is not paused any more.{when}")


def _next_run(schedule: ScheduleStanding | None, *, now: datetime) -> str:
    if schedule is None:
        return ""
    if schedule.paused_at is not None:
        return "paused"
    if schedule.waits:
        return "waits"
    return "" if schedule.next is None else show_when(schedule.next, now=now)


def _schedule_facts(schedule: ScheduleStanding | None) -> list[tuple[str, str]]:
    if schedule is None:
        return []
    coming = [each for each in (schedule.next, *schedule.upcoming) if each is not None]
    return [
        ("schedule", schedule.text),
        ("next", ", ".join(f"{each:%Y-%m-%d %H:%M:%S}" for each in coming) + (" UTC" if coming else "")),
        ("waits", schedule.waits or ""),
        ("last", "" if schedule.last is None else f"{schedule.last:%Y-%m-%d %H:%M:%S} UTC"),
    ]


@app.command("versions", epilog=examples("leasehold dags versions sensor_report"))
def versions(
    dag: DagName,
    *,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """List the versions of a DAG, newest first: when and by whom each was deployed, and whose signature it has."""
    found = ask(lambda api: rows(api.pages(api.of_team("dags", dag, "versions"), DagVersionList)), team=team)
    if json:
        screen.write_json(found)
        return
    now = screen.now()
    screen.table(
        ["version", "deployed", "by", "signed"],
        [
            (str(one.version), show_when(one.deployed_at, now=now), one.deployed_by, _signed(one.signed))
            for one in found
        ],
        empty="",
    )


@app.command("graph", epilog=examples("leasehold dags graph sensor_report", "leasehold dags graph sensor_report.py"))
def graph(
    what: Annotated[
        str,
        typer.Argument(
            help="A deployed DAG's name, or a Python file.", metavar="DAG|FILE", autocompletion=completing.dags
        ),
    ],
    *,
    dag: Annotated[str | None, typer.Option(metavar="DAG", help="Which DAG, where the file has several.")] = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Draw a DAG: its tasks from left to right, each after those it waits for."""
    if what.endswith(".py"):
        manifests = _manifests_of(Path(what), dag)
    else:
        manifests = [ask(lambda api: api.get(api.of_team("dags", what), DagDetail), team=team).manifest]
    if json:
        screen.write_json([{"dag": one.dag, **as_data(tasks_of_dag(one))} for one in manifests])
        return
    for one in manifests:
        if len(manifests) > 1:
            screen.say(Text(one.dag, "bold"))
        screen.show(picture(tasks_of_dag(one), width=screen.screen().width))


def _manifests_of(file: Path, dag: str | None) -> list[Manifest]:
    checked = read_dag_file(file)
    for mistake in checked.mistakes:
        show_mistake(mistake, stderr=True)
    if checked.mistakes:
        raise typer.Exit(FailedError.exit_code)
    found = [ready.manifest for ready in checked.dags if dag in (None, ready.manifest.dag)]
    if not found:
        names = ", ".join(ready.manifest.dag for ready in checked.dags)
        raise WrongInputError(f"{file} has no DAG {dag}.", f"It has: {names}")
    return found


def task_row(task: TaskEntry) -> tuple[str | Text, ...]:
    """Return one task of a manifest as cells: name, kind, upstream, needs, retries."""
    needs = [*task.needs.connections, *(f"{name}{_condition(text)}" for name, text in task.needs.labels.items())]
    return (
        Text(task.id, style=screen.task_colour(task.id)),
        kind_of(task.work),
        ", ".join(task.upstream),
        ", ".join(needs),
        str(task.retries or ""),
    )


def _condition(text: str) -> str:
    return text if text[:1] in "=!<>" else f"={text}"


def _params(schema: dict[str, Json]) -> str:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return ""
    return ", ".join(_param(name, details) for name, details in properties.items())


def _param(name: str, details: Json) -> str:
    if isinstance(details, dict) and "default" in details:
        return f"{name}={screen.show_value(details['default'])}"
    return name


def _signed(facts: SignatureFacts | None) -> str:
    if facts is None:
        return ""
    end = "" if facts.not_after is None else f", may start until {show_when(facts.not_after, now=screen.now())}"
    return f"{show_when(facts.signed_at, now=screen.now())} by {facts.key}{end}"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
