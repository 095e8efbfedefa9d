"""``leasehold sites``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from leasehold.cli import completing, screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import Api, rows
from leasehold.cli.errors import ConflictError, NotFoundError, WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.locking import RunningOption
from leasehold.cli.options import JsonOption, TeamOption, group, pairs
from leasehold.cli.session import ask
from leasehold_protocol.v1.fleet import LockRequest, RunningAttempts, Site, SiteList, SiteWrite

app = group("Sites: the places where agents run.")

SiteName = Annotated[str, typer.Argument(help="The site's name.", metavar="SITE", autocompletion=completing.sites)]
LabelOption = Annotated[
    list[str] | None,
    typer.Option("--label", help="A label that tasks may need; repeat for more.", metavar="NAME=VALUE"),
]
SlotsOption = Annotated[
    int | None,
    typer.Option("--max-slots", metavar="NUMBER", min=1, max=1024, help="The most slots one agent here may use."),
]
DescriptionOption = Annotated[
    str | None, typer.Option("--description", metavar="TEXT", help="What this place is, for people.")
]
MaxRunningOption = Annotated[
    int | None,
    typer.Option(
        "--max-running", metavar="NUMBER", min=0, help="The most tasks that run at once, all its agents together."
    ),
]
WeightOption = Annotated[
    int | None,
    typer.Option(
        "--weight",
        metavar="NUMBER",
        min=0,
        max=1000,
        help="Its share of the work where agents of several sites wait for it (10); 0: only what no other waits for.",
    ),
]
ReservedOption = Annotated[
    str | None,
    typer.Option("--reserved", metavar="LABEL", help="Only tasks that need this label of the site run there."),
]


@app.command(
    "create", epilog=examples("leasehold sites create plant --label zone=south --description 'Bottling plant'")
)
def create(
    site: SiteName,
    *,
    label: LabelOption = None,
    max_slots: SlotsOption = None,
    description: DescriptionOption = None,
    max_running: MaxRunningOption = None,
    weight: WeightOption = None,
    reserved: ReservedOption = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Create a site. Then let an agent in with: leasehold tokens issue SITE"""

    async def work(api: Api) -> Site:
        if await _find(api, site) is not None:
            raise ConflictError(f"There is a site {site} already.", f"leasehold sites update {site} changes it.")
        named = _named(label, max_slots, description, max_running, weight, reserved)
        wanted = _changed(SiteWrite(), named)
        return await api.send("PUT", api.of_team("sites", site), wanted, Site)

    made = ask(work, team=team)
    if json:
        screen.write_json(made)
    else:
        screen.say(f"Site {made.name} is there. Let an agent in: leasehold tokens issue {made.name}")


@app.command(
    "update",
    epilog=examples(
        "leasehold sites update plant --label zone=south --max-slots 8",
        "leasehold sites update gpu-lab --label gpu=2 --reserved gpu --weight 50",
        "leasehold sites update gpu-lab --no-reservation --no-max-running",
    ),
)
def update(
    site: SiteName,
    *,
    label: LabelOption = None,
    max_slots: SlotsOption = None,
    description: DescriptionOption = None,
    max_running: MaxRunningOption = None,
    weight: WeightOption = None,
    reserved: ReservedOption = None,
    no_max_running: Annotated[bool, typer.Option("--no-max-running", help="As many as its agents take.")] = False,
    no_reservation: Annotated[bool, typer.Option("--no-reservation", help="For all tasks that fit, again.")] = False,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Change a site. What is not named stays; labels are replaced as a whole."""

    async def work(api: Api) -> Site:
        before = await api.get(api.of_team("sites", site), Site)
        named = _named(label, max_slots, description, max_running, weight, reserved)
        gone = [("max_running", no_max_running), ("reserved", no_reservation)]
        wanted = _changed(before, named | {name: None for name, is_gone in gone if is_gone})
        return await api.send("PUT", api.of_team("sites", site), wanted, Site)

    made = ask(work, team=team)
    if json:
        screen.write_json(made)
    else:
        screen.say(f"Site {made.name} is changed.")


@app.command("lock", epilog=examples("leasehold sites lock plant --reason 'break-in'"))
def lock(
    site: SiteName,
    *,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why; the site's operator sees it.")
    ] = "locked by an admin",
    running: RunningOption = RunningAttempts.CANCEL,
    team: TeamOption = None,
) -> None:
    """Lock a site: from their next request on its agents get no work, and no agent enrols there."""

    async def work(api: Api) -> None:
        await api.post(api.of_team("sites", site, "lock"), LockRequest(reason=reason, running=running))

    ask(work, team=team)
    screen.say(f"Site {site} is locked. Let its agents in again: leasehold sites unlock {site}")


@app.command("unlock", epilog=examples("leasehold sites unlock plant"))
def unlock(site: SiteName, *, team: TeamOption = None) -> None:
    """Let the agents of a locked site in again, except those that are locked themselves."""

    async def work(api: Api) -> None:
        await api.post(api.of_team("sites", site, "unlock"))

    ask(work, team=team)
    screen.say(f"Site {site} is unlocked.")


@app.command("trust", epilog=examples("leasehold sites trust local"))
def trust(site: SiteName, *, team: TeamOption = None) -> None:
    """Let leases bring connections and variables along to a site, secrets open: its tasks start without asking."""

    async def work(api: Api) -> None:
        await api.post(api.of_team("sites", site, "trust"))

    ask(work, team=team)
    screen.say(
        f"Site {site} is trusted. Its agents get the secrets of a task with its lease, and hear of it with their next "
        f"start. Take it back: leasehold sites untrust {site}"
    )


@app.command("untrust", epilog=examples("leasehold sites untrust local"))
def untrust(site: SiteName, *, team: TeamOption = None) -> None:
    """Let leases bring nothing along to a site any more; its tasks ask for what they declared."""

    async def work(api: Api) -> None:
        await api.post(api.of_team("sites", site, "untrust"))

    ask(work, team=team)
    screen.say(f"Site {site} is not trusted any more.")


@app.command("list", epilog=examples("leasehold sites list", "leasehold sites list --json | jq '.[].name'"))
def list_sites(*, team: TeamOption = None, json: JsonOption = False) -> None:
    """List the team's sites and how many of their agents are connected."""
    sites = ask(lambda api: rows(api.pages(api.of_team("sites"), SiteList)), team=team)
    if json:
        screen.write_json(sites)
        return
    screen.table(
        ["site", "agents", "connected", "labels", "description"],
        [(site.name, str(site.agents), str(site.connected), _labels(site), site.description) for site in sites],
        empty="There is no site yet. Make one: leasehold sites create NAME",
    )


@app.command("show", epilog=examples("leasehold sites show plant"))
def show(site: SiteName, *, team: TeamOption = None, json: JsonOption = False) -> None:
    """Show one site."""

    async def work(api: Api) -> Site:
        return await api.get(api.of_team("sites", site), Site)

    found = ask(work, team=team)
    if json:
        screen.write_json(found)
        return
    screen.facts(
        [
            ("site", found.name),
            ("team", found.team),
            ("agents", f"{found.agents}, {found.connected} connected"),
            ("labels", _labels(found)),
            ("most slots per agent", str(found.max_slots)),
            ("runs at once", "as many as its agents take" if found.max_running is None else str(found.max_running)),
            ("weight", str(found.weight)),
            ("reserved", f"for tasks that need {found.reserved}" if found.reserved else "no"),
            ("trusted", "yes: leases bring secrets along" if found.trusted else "no"),
            ("description", found.description),
            ("created", show_when(found.created_at, now=screen.now())),
        ]
    )


@app.command("delete", epilog=examples("leasehold sites delete plant"))
def delete(site: SiteName, *, team: TeamOption = None) -> None:
    """Delete a site that has no agents any more."""

    async def work(api: Api) -> None:
        await api.delete(api.of_team("sites", site))

    ask(work, team=team)
    screen.say(f"Site {site} is deleted.")


async def _find(api: Api, site: str) -> Site | None:
    try:
        return await api.get(api.of_team("sites", site), Site)
    except NotFoundError:
        return None


def _named(
    label: list[str] | None,
    max_slots: int | None,
    description: str | None,
    max_running: int | None,
    weight: int | None,
    reserved: str | None,
) -> dict[str, Any]:
    """Return the fields that were named."""
    given = {
        "labels": None if label is None else pairs(label, option="--label"),
        "max_slots": max_slots,
        "description": description,
        "max_running": max_running,
        "weight": weight,
        "reserved": reserved,
    }
    return {name: value for name, value in given.items() if value is not None}


def _changed(site: SiteWrite, named: dict[str, Any]) -> SiteWrite:
    """Return the site with what was named; what was not named is kept."""
    fields = {name: getattr(site, name) for name in SiteWrite.model_fields} | named
    if fields["reserved"] is not None and fields["reserved"] not in fields["labels"]:
        raise WrongInputError(
            f"The site has no label {fields['reserved']!r} that it could be reserved by.",
            f"Set it too: --label {fields['reserved']}=VALUE. Or let the site go: --no-reservation",
        )
    return SiteWrite.model_validate(fields)


def _labels(site: Site) -> str:
    return " ".join(f"{name}={value}" for name, value in site.labels.items())
