"""``leasehold backfill`` and ``leasehold backfills``: runs for dates in the past."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from leasehold.cli import screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import Api
from leasehold.cli.errors import FailedError, WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.options import JsonOption, TeamOption, group
from leasehold.cli.session import Session, ask, ask_as, signed_in
from leasehold_protocol.v1.runs import DagDetail
from leasehold_protocol.v1.schedules import (
    Backfill,
    BackfillList,
    BackfillPlan,
    BackfillRequest,
    BackfillState,
    Reprocess,
)

MOST_SHOWN = 40
"""Dates of a plan that are shown; the rest is counted."""

LOOK_EVERY_S = 1.0

app = group("Backfills: how far they are, and stopping one. Begin one: leasehold backfill DAG --from … --to …")

BackfillId = Annotated[str, typer.Argument(help="The backfill's id, as listed.", metavar="BACKFILL")]


def backfill(
    dag: Annotated[str, typer.Argument(help="The DAG to run, in its newest version.", metavar="DAG")],
    *,
    from_: Annotated[
        str, typer.Option("--from", metavar="DATE", help="The first date, in the time zone of the DAG's schedule.")
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="DATE", help="The last date; a day without a time is meant whole.")
    ],
    reprocess: Annotated[
        Reprocess,
        typer.Option(metavar="none|failed|completed", help="Which dates that have a run already are run again."),
    ] = Reprocess.NONE,
    max_active: Annotated[
        int, typer.Option("--max-active", metavar="N", min=1, max=1000, help="How many runs go on at the same time.")
    ] = 4,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, and begin nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Begin without asking.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Begin it and do not follow it.")] = False,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Run a DAG for the times of its schedule between two dates, both included. The plan is shown first.

    The API goes on with it whatever becomes of this command: Ctrl-C ends the watching, not the backfill. Exit 1 if a
    run failed.
    """
    session = signed_in(team)

    async def plan(api: Api) -> tuple[BackfillRequest, BackfillPlan]:
        detail = await api.get(api.of_team("dags", dag), DagDetail)
        zone = ZoneInfo(detail.manifest.schedule.timezone if detail.manifest.schedule else "UTC")
        wanted = BackfillRequest.model_validate(
            {
                "from": _moment(from_, zone, "--from"),
                "to": _moment(to, zone, "--to", whole_day=True),
                "reprocess": reprocess,
                "max_active": max_active,
            }
        )
        query = {"from": wanted.from_.isoformat(), "to": wanted.to.isoformat(), "reprocess": reprocess.value}
        return wanted, await api.get(api.of_team("dags", dag, "backfill-plan"), BackfillPlan, query)

    wanted, planned = ask_as(session, plan)
    if dry_run and json:
        screen.write_json(planned)
        return
    if not json:
        _show_plan(planned)
    if dry_run or not planned.will_run:
        screen.say("Nothing was begun.", stderr=json)
        return
    if not (yes or json or typer.confirm(f"Begin {planned.will_run} runs, {max_active} at a time?", default=False)):
        raise WrongInputError("Nothing was begun.", "Say yes, or use --yes.")
    begun = ask_as(session, lambda api: api.send("POST", api.of_team("dags", dag, "backfills"), wanted, Backfill))
    ended = begun if detach else _follow(session, begun, quietly=json)
    if json:
        screen.write_json(ended)
    elif detach:
        screen.say(f"Backfill {ended.backfill} has begun. See how far it is: leasehold backfills show {ended.backfill}")
    if ended.failed:
        raise FailedError(
            f"{ended.failed} of {ended.total} runs failed or were cancelled.",
            f"leasehold runs list --dag {dag}; then again with --reprocess failed.",
        )


def _show_plan(plan: BackfillPlan) -> None:
    shown = plan.dates[:MOST_SHOWN]
    screen.table(
        ["logical date", "has a run", "will run"],
        [
            (
                f"{each.logical_date:%Y-%m-%d %H:%M:%S} UTC",
                "" if each.run is None else f"{each.state} {each.run}",
                "yes" if each.will_run else "no",
            )
            for each in shown
        ],
        empty="The schedule has no times between these dates.",
    )
    hidden = len(plan.dates) - len(shown)
    more = f" ({hidden} more dates are not shown; --json has all)" if hidden else ""
    screen.say(f"{plan.will_run} of {len(plan.dates)} dates will run{more}.")


def _follow(session: Session, begun: Backfill, *, quietly: bool) -> Backfill:
    async def work(api: Api) -> Backfill:
        found = begun
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
        )
        with Progress(*columns, console=screen.screen(stderr=True), disable=quietly) as progress:
            bar = progress.add_task(f"backfill {begun.dag}", total=begun.total, said="")
            while True:
                said = f"{found.active} running, {found.failed} failed"
                progress.update(bar, completed=found.succeeded + found.failed, said=said)
                if found.state is not BackfillState.RUNNING:
                    return found
                await asyncio.sleep(LOOK_EVERY_S)
                found = await api.get(api.of_team("backfills", begun.backfill), Backfill)

    try:
        return ask_as(session, work)
    except KeyboardInterrupt:
        screen.say(
            f"The backfill goes on. Look: leasehold backfills show {begun.backfill}; "
            f"stop it: leasehold backfills cancel {begun.backfill}",
            stderr=True,
        )
        raise


def _moment(text: str, zone: ZoneInfo, option: str, *, whole_day: bool = False) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise WrongInputError(f"{option} {text!r} is no date.", "Write 2026-11-01 or 2026-11-01T06:00.") from error
    if whole_day and len(text) == len("2026-11-01"):
        at = at.replace(hour=23, minute=59, second=59)
    return at.replace(tzinfo=zone) if at.tzinfo is None else at


@app.command("list", epilog=examples("leasehold backfills list"))
def list_backfills(*, team: TeamOption = None, json: JsonOption = False) -> None:
    """List the newest backfills."""

    async def work(api: Api) -> list[Backfill]:
        return (await api.get(api.of_team("backfills"), BackfillList)).items

    found = ask(work, team=team)
    if json:
        screen.write_json(found)
        return
    now = screen.now()
    screen.table(
        ["backfill", "dag", "from", "to", "state", "runs", "failed", "begun", "by"],
        [
            (
                each.backfill,
                each.dag,
                f"{each.from_:%Y-%m-%d %H:%M}",
                f"{each.to:%Y-%m-%d %H:%M}",
                screen.state(each.state),
                f"{each.succeeded + each.failed} of {each.total}",
                str(each.failed or ""),
                show_when(each.created_at, now=now),
                each.created_by,
            )
            for each in found
        ],
        empty="There is no backfill. Begin one: leasehold backfill DAG --from 2026-11-01 --to 2026-11-07",
    )


@app.command("show", epilog=examples("leasehold backfills show bf_01JD3"))
def show(backfill: BackfillId, *, team: TeamOption = None, json: JsonOption = False) -> None:
    """Show how far a backfill is."""

    async def work(api: Api) -> Backfill:
        return await api.get(api.of_team("backfills", backfill), Backfill)

    _show(ask(work, team=team), json=json)


@app.command("cancel", epilog=examples("leasehold backfills cancel bf_01JD3"))
def cancel(backfill: BackfillId, *, team: TeamOption = None, json: JsonOption = False) -> None:
    """Begin no more runs of a backfill, and cancel those that go on."""

    async def work(api: Api) -> Backfill:
        return await api.create(api.of_team("backfills", backfill, "cancel"), Backfill)

    _show(ask(work, team=team), json=json)


def _show(found: Backfill, *, json: bool) -> None:
    if json:
        screen.write_json(found)
        return
    screen.facts(
        [
            ("backfill", found.backfill),
            ("dag", found.dag),
            ("dates", f"{found.from_:%Y-%m-%d %H:%M} to {found.to:%Y-%m-%d %H:%M} UTC"),
            ("state", screen.state(found.state)),
            (
                "runs",
                f"{found.succeeded} succeeded, {found.failed} failed, {found.active} running, {found.total} in all",
            ),
            ("begun", f"{show_when(found.created_at, now=screen.now())} by {found.created_by}"),
        ]
    )
