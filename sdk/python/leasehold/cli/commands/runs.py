"""``leasehold runs``: start, list, look at and follow runs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from leasehold.cli import completing, screen
from leasehold.cli.amounts import show_size, show_when
from leasehold.cli.api import Api
from leasehold.cli.errors import FailedError
from leasehold.cli.examples import examples
from leasehold.cli.following import follow_run, task_label
from leasehold.cli.gone_parts import deleted_in, say_deleted
from leasehold.cli.graph.picture import picture
from leasehold.cli.graph.subjects import tasks_of_run
from leasehold.cli.mapped_tasks import gathered
from leasehold.cli.options import JsonOption, TeamOption, group
from leasehold.cli.run_params import params_given
from leasehold.cli.run_tables import metric_table, run_line, task_table
from leasehold.cli.run_views import run_view
from leasehold.cli.session import Session, ask, ask_as, signed_in
from leasehold.cli.task_views import show_attempts
from leasehold.cli.waiting_reasons import with_reasons
from leasehold_protocol.v1.runs import (
    MetricList,
    RunDetail,
    RunState,
    TaskInstance,
    TriggerRun,
    XComList,
)

app = group("Runs: start them, follow them, look at what came of them.")

RunId = Annotated[str, typer.Argument(help="The run's id, as listed.", metavar="RUN", autocompletion=completing.runs)]


@app.command(
    "trigger",
    epilog=examples(
        "leasehold runs trigger sensor_report --watch",
        "leasehold runs trigger sensor_report --param day=2026-11-02 --param limit=3",
    ),
)
def trigger(
    dag: Annotated[
        str,
        typer.Argument(help="The DAG to run, in its newest version.", metavar="DAG", autocompletion=completing.dags),
    ],
    *,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            "-p",
            help="A parameter; repeat for more. The value is JSON where it can be read so (3, true, [1]), else text.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    params_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Parameters as a JSON object; --param wins over it.")
    ] = None,
    logical_date: Annotated[
        datetime | None, typer.Option(help="The date the run is about; now by default.", metavar="DATE")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="The same key again gives the same run.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it to its end; exit 1 if it fails.")] = False,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Start a run."""
    request = TriggerRun(
        params=params_given(param or [], params_file),
        logical_date=None if logical_date is None else logical_date.astimezone(),
        idempotency_key=idempotency_key or str(uuid4()),
    )
    session = signed_in(team)

    async def work(api: Api) -> RunDetail:
        return await api.send("POST", api.of_team("dags", dag, "runs"), request, RunDetail)

    run = ask_as(session, work)
    if watch:
        _watch(session, run.run, json=json)
    elif json:
        screen.write_json(run)
    else:
        screen.say(f"Run {run.run} of {run.dag} has begun. Follow it: leasehold runs watch {run.run}")


@app.command("watch", epilog=examples("leasehold runs watch 01JD3"))
def watch(run: RunId, *, team: TeamOption = None, json: JsonOption = False) -> None:
    """Follow a run to its end: its tasks, its log lines, its result. Exit 1 if it fails.

    Ctrl-C ends the watching, not the run. With --json the run is printed at its end, and what happens meanwhile
    goes to standard error.
    """
    _watch(signed_in(team), run, json=json)


def _watch(session: Session, run: str, *, json: bool) -> None:
    async def work(api: Api) -> RunDetail:
        with run_view(now=screen.now, stderr=json) as view:
            return await follow_run(api, run, view)

    try:
        ended = ask_as(session, work)
    except KeyboardInterrupt:
        screen.say(f"The run goes on. Follow it again: leasehold runs watch {run}", stderr=True)
        raise
    if json:
        screen.write_json(ended)
    else:
        _show_tasks(ended)
    if ended.state is not RunState.SUCCESS:
        raise FailedError(what_failed(ended), f"leasehold logs {ended.run} shows all it wrote.")


def _show_tasks(run: RunDetail, *, mapped: bool = False) -> None:
    now = screen.now()
    screen.show(task_table(run.tasks if mapped else gathered(run.tasks), now=now))
    screen.say(run_line(run, now=now))


def what_failed(run: RunDetail) -> str:
    """Return in a sentence how a run failed, and by which tasks."""
    failed = [task_label(task.task, task.map_index) for task in run.tasks if task.state == "failed"]
    by = f" by {', '.join(failed[:5])}{' and others' if len(failed) > 5 else ''}" if failed else ""
    return f"Run {run.run} {'failed' if run.state is RunState.FAILED else 'was cancelled'}{by}."


@app.command(
    "show",
    epilog=examples(
        "leasehold runs show 01JD3",
        "leasehold runs show 01JD3 --graph",
        "leasehold runs show 01JD3 --task read_sensors",
        "leasehold runs show 01JD3 --mapped",
        "leasehold runs show 01JD3 --json | jq .state",
    ),
)
def show(
    run: RunId,
    *,
    task: Annotated[
        str | None, typer.Option(metavar="TASK", help="Only this task: its attempts, and what its arguments came to.")
    ] = None,
    map_index: Annotated[int, typer.Option(metavar="N", help="With --task: which of a mapped task's instances.")] = -1,
    mapped: Annotated[bool, typer.Option("--mapped", help="A row for each instance of mapped tasks.")] = False,
    graph: Annotated[bool, typer.Option("--graph", help="Draw its DAG, with the tasks' states.")] = False,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Show a run: each task with its site, try, state, duration, and its result or the reason it waits."""
    if task is not None:
        _show_one(run, task, map_index, team=team, json=json)
        return

    async def work(api: Api) -> RunDetail:
        found = await api.get(api.of_team("runs", run), RunDetail)
        return found if json or graph else await with_reasons(api, found)

    found = ask(work, team=team)
    if json:
        screen.write_json(found)
        return
    if graph:
        screen.show(picture(tasks_of_run(found), width=screen.screen().width))
        screen.say(run_line(found, now=screen.now()))
        return
    screen.facts(
        [
            ("run", found.run),
            ("dag", f"{found.dag} version {found.version}"),
            ("params", screen.show_value(found.params, longest=400) if found.params else ""),
            ("begun", f"{show_when(found.created_at, now=screen.now())} by {found.created_by}"),
            ("started by task", found.caused_by or ""),
            ("deleted", deleted_in(found, now=screen.now())),
        ]
    )
    _show_tasks(found, mapped=mapped)
    screen.say(f"More: leasehold logs {found.run} · runs metrics {found.run} · runs xcoms {found.run}", stderr=True)


def _show_one(run: str, task: str, map_index: int, *, team: str | None, json: bool) -> None:
    async def work(api: Api) -> TaskInstance:
        return await api.get(api.of_team("runs", run, "tasks", task), TaskInstance, {"map_index": map_index})

    found = ask(work, team=team)
    if json:
        screen.write_json(found)
        return
    screen.show(task_table([found], now=screen.now()))
    show_attempts(found, now=screen.now())


@app.command("metrics", epilog=examples("leasehold runs metrics 01JD3"))
def metrics(run: RunId, *, team: TeamOption = None, json: JsonOption = False) -> None:
    """Show what the tasks of a run measured."""
    whole = ask(lambda api: api.get(api.of_team("runs", run, "metrics"), MetricList), team=team)
    found = whole.items
    say_deleted("What was measured in the tasks", whole.deleted_at, some_left=bool(found))
    if json:
        screen.write_json(found)
    elif found:
        screen.show(metric_table(found))
    elif whole.deleted_at is None:
        screen.say("The tasks of this run sent no metrics.", stderr=True)


@app.command("xcoms", epilog=examples("leasehold runs xcoms 01JD3"))
def xcoms(run: RunId, *, team: TeamOption = None, json: JsonOption = False) -> None:
    """Show what the tasks of a run returned or pushed."""
    whole = ask(lambda api: api.get(api.of_team("runs", run, "xcoms"), XComList), team=team)
    found = whole.items
    say_deleted("What the tasks passed on", whole.deleted_at, some_left=bool(found))
    if json:
        screen.write_json(found)
        return
    screen.table(
        ["task", "key", "size", "value"],
        [
            (
                task_label(xcom.task, xcom.map_index),
                xcom.key,
                show_size(xcom.size),
                screen.show_value(xcom.value, longest=400) if xcom.inline else "(too large to show here)",
            )
            for xcom in found
        ],
        empty="The tasks of this run returned nothing." if whole.deleted_at is None else "Nothing is left.",
    )
