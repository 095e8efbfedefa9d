"""``leasehold teams``."""

from __future__ import annotations

from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import Api, rows
from leasehold.cli.errors import WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.options import JsonOption, group
from leasehold.cli.session import ask
from leasehold_protocol.v1.fleet import Team, TeamList, TeamWrite
from leasehold_protocol.v1.limits import TeamLimits

app = group("Teams: everything belongs to one.")


@app.command("create", epilog=examples("leasehold teams create metering"))
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The team's name.")], *, json: JsonOption = False
) -> None:
    """Create a team (platform admins)."""

    async def work(api: Api) -> Team:
        return await api.send("POST", "/v1/teams", TeamWrite(name=name), Team)

    team = ask(work)
    if json:
        screen.write_json(team)
    else:
        screen.say(f"Team {team.name} is there. Work in it with --team {team.name}.")


@app.command(
    "limit",
    epilog=examples("leasehold teams limit metering --max-running 200", "leasehold teams limit metering --none"),
)
def limit(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The team's name.")],
    *,
    max_running: Annotated[
        int | None,
        typer.Option("--max-running", metavar="NUMBER", min=0, help="The most task instances that run at once."),
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="No limit: as many as the team's agents take.")] = False,
) -> None:
    """Limit how many task instances of a team run at once, at all its sites together (platform admins)."""
    if (max_running is None) != none:
        raise WrongInputError("Say the limit once.", "Either --max-running NUMBER, or --none.")

    async def work(api: Api) -> TeamLimits:
        return await api.send("PUT", f"/v1/teams/{name}/limits", TeamLimits(max_running=max_running), TeamLimits)

    ask(work)
    screen.say(f"Team {name} may run {'any number of' if none else max_running} task instances at once.")


@app.command("list", epilog=examples("leasehold teams list"))
def list_teams(*, json: JsonOption = False) -> None:
    """List the teams you may see."""
    teams = ask(lambda api: rows(api.pages("/v1/teams", TeamList)))
    if json:
        screen.write_json(teams)
        return
    now = screen.now()
    screen.table(
        ["team", "may run", "created"],
        [
            (team.name, "" if team.max_running is None else str(team.max_running), show_when(team.created_at, now=now))
            for team in teams
        ],
        empty="There is no team you may see.",
    )
