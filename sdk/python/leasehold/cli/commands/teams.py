"""``leasehold teams``."""

from __future__ import annotations

from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import Api, rows
from leasehold.cli.options import JsonOption, examples, group
from leasehold.cli.session import ask
from leasehold_protocol.v1.fleet import Team, TeamList, TeamWrite

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


@app.command("list", epilog=examples("leasehold teams list"))
def list_teams(*, json: JsonOption = False) -> None:
    """List the teams you may see."""
    teams = ask(lambda api: rows(api.pages("/v1/teams", TeamList)))
    if json:
        screen.write_json(teams)
        return
    now = screen.now()
    screen.table(
        ["team", "created"],
        [(team.name, show_when(team.created_at, now=now)) for team in teams],
        empty="There is no team you may see.",
    )
