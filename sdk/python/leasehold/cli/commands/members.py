"""``leasehold members``: who has which role in a team."""

from __future__ import annotations

from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.api import Api, rows
from leasehold.cli.examples import examples
from leasehold.cli.options import JsonOption, TeamOption, group
from leasehold.cli.session import ask
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.people import Member, MemberList, MemberOrigin, MemberWrite

app = group("Members: who has which role in a team.")

UserArgument = Annotated[str, typer.Argument(help="The user's name.", metavar="USER")]


@app.command("list", epilog=examples("leasehold members list"))
def list_members(*, team: TeamOption = None, json: JsonOption = False) -> None:
    """List the team's members."""
    members = ask(lambda api: rows(api.pages(api.of_team("members"), MemberList)), team=team)
    if json:
        screen.write_json(members)
        return
    screen.table(
        ["user", "role", "from", "state"],
        [
            (
                member.user,
                member.role.value,
                "an admin" if member.origin is MemberOrigin.GRANTED else "groups at the provider",
                screen.state("locked") if member.locked else "",
            )
            for member in members
        ],
        empty="The team has no members yet. Add one: leasehold members set USER --role author",
    )


@app.command("set", epilog=examples("leasehold members set author-1 --role author"))
def set_member(
    user: UserArgument,
    *,
    role: Annotated[
        Role,
        typer.Option(
            metavar="viewer|author|operator|admin", help="What they may do; each role includes the ones before it."
        ),
    ],
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Give somebody a role in the team, in place of the one they had (admins)."""

    async def work(api: Api) -> Member:
        return await api.send("PUT", api.of_team("members", user), MemberWrite(role=role), Member)

    member = ask(work, team=team)
    if json:
        screen.write_json(member)
    else:
        screen.say(f"{member.user} has the role {member.role.value} from now on.")


@app.command("remove", epilog=examples("leasehold members remove author-1"))
def remove(user: UserArgument, *, team: TeamOption = None) -> None:
    """Take somebody's role in the team back (admins)."""

    async def work(api: Api) -> None:
        await api.delete(api.of_team("members", user))

    ask(work, team=team)
    screen.say(f"{user} has no role from an admin any more.")
