"""``leasehold pools``: slots that a team's tasks share."""

from __future__ import annotations

from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import Api, rows
from leasehold.cli.errors import NotFoundError, WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.options import JsonOption, TeamOption, group
from leasehold.cli.session import ask
from leasehold_protocol.v1.limits import Pool, PoolList, PoolWrite

app = group("Pools: slots that a team's tasks share, so that a database is not asked by too many at once.")

PoolName = Annotated[str, typer.Argument(help="The pool's name, as tasks name it.", metavar="POOL")]


@app.command(
    "set", epilog=examples("leasehold pools set plant_db --slots 4 --description 'connections that the plant allows'")
)
def set_pool(
    pool: PoolName,
    *,
    slots: Annotated[
        int | None, typer.Option("--slots", metavar="NUMBER", min=0, max=100_000, help="How many slots there are.")
    ] = None,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="What it protects, for people.")
    ] = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Make a pool, or change it. What waited may start at once; fewer slots end nothing that runs."""

    async def work(api: Api) -> Pool:
        before = await _find(api, pool)
        if before is None and slots is None:
            raise WrongInputError(f"There is no pool {pool} yet.", "Say how many slots it has: --slots NUMBER")
        known = before or PoolWrite(slots=slots or 0)
        wanted = PoolWrite(
            slots=known.slots if slots is None else slots,
            description=known.description if description is None else description,
        )
        return await api.send("PUT", api.of_team("pools", pool), wanted, Pool)

    made = ask(work, team=team)
    if json:
        screen.write_json(made)
    else:
        screen.say(f"Pool {made.name} has {made.slots} slots, {made.used} of them taken.")


@app.command("list", epilog=examples("leasehold pools list", "leasehold pools list --json | jq '.[].waiting'"))
def list_pools(*, team: TeamOption = None, json: JsonOption = False) -> None:
    """List the team's pools and how full they are. Tasks that name none are in default_pool, which has no limit."""
    pools = ask(lambda api: rows(api.pages(api.of_team("pools"), PoolList)), team=team)
    if json:
        screen.write_json(pools)
        return
    screen.table(
        ["pool", "slots", "taken", "waiting", "description"],
        [(pool.name, str(pool.slots), str(pool.used), str(pool.waiting), pool.description) for pool in pools],
        empty="There is no pool. Make one: leasehold pools set NAME --slots NUMBER",
    )


@app.command("show", epilog=examples("leasehold pools show plant_db"))
def show(pool: PoolName, *, team: TeamOption = None, json: JsonOption = False) -> None:
    """Show one pool."""

    async def work(api: Api) -> Pool:
        return await api.get(api.of_team("pools", pool), Pool)

    found = ask(work, team=team)
    if json:
        screen.write_json(found)
        return
    screen.facts(
        [
            ("pool", found.name),
            ("team", found.team),
            ("slots", f"{found.slots}, {found.used} taken"),
            ("waiting", f"{found.waiting} task instances"),
            ("description", found.description),
            ("changed", f"{show_when(found.updated_at, now=screen.now())} by {found.updated_by}"),
        ]
    )


@app.command("delete", epilog=examples("leasehold pools delete plant_db"))
def delete(pool: PoolName, *, team: TeamOption = None) -> None:
    """Delete a pool that nothing uses at the moment. Tasks that name it wait from then on."""

    async def work(api: Api) -> None:
        await api.delete(api.of_team("pools", pool))

    ask(work, team=team)
    screen.say(f"Pool {pool} is deleted.")


async def _find(api: Api, pool: str) -> Pool | None:
    try:
        return await api.get(api.of_team("pools", pool), Pool)
    except NotFoundError:
        return None
