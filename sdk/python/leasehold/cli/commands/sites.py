"""``leasehold sites``."""

from __future__ import annotations

from typing import Annotated

import typer

from leasehold.cli import completing, screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import Api, rows
from leasehold.cli.errors import ConflictError, NotFoundError
from leasehold.cli.options import JsonOption, RunningOption, TeamOption, examples, group, pairs
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


@app.command(
    "create", epilog=examples("leasehold sites create plant --label zone=south --description 'Bottling plant'")
)
def create(
    site: SiteName,
    *,
    label: LabelOption = None,
    max_slots: SlotsOption = None,
    description: DescriptionOption = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Create a site. Then let an agent in with: leasehold tokens issue SITE"""

    async def work(api: Api) -> Site:
        if await _find(api, site) is not None:
            raise ConflictError(f"There is a site {site} already.", f"leasehold sites update {site} changes it.")
        wanted = _changed(SiteWrite(), label, max_slots, description)
        return await api.send("PUT", api.of_team("sites", site), wanted, Site)

    made = ask(work, team=team)
    if json:
        screen.write_json(made)
    else:
        screen.say(f"Site {made.name} is there. Let an agent in: leasehold tokens issue {made.name}")


@app.command("update", epilog=examples("leasehold sites update plant --label zone=south --max-slots 8"))
def update(
    site: SiteName,
    *,
    label: LabelOption = None,
    max_slots: SlotsOption = None,
    description: DescriptionOption = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Change a site. What is not named stays; labels are replaced as a whole."""

    async def work(api: Api) -> Site:
        before = await api.get(api.of_team("sites", site), Site)
        kept = SiteWrite(labels=before.labels, max_slots=before.max_slots, description=before.description)
        return await api.send("PUT", api.of_team("sites", site), _changed(kept, label, max_slots, description), Site)

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


def _changed(site: SiteWrite, label: list[str] | None, max_slots: int | None, description: str | None) -> SiteWrite:
    """Return the site with what was named; what was not named is kept."""
    return SiteWrite(
        labels=site.labels if label is None else pairs(label, option="--label"),
        max_slots=site.max_slots if max_slots is None else max_slots,
        description=site.description if description is None else description,
    )


def _labels(site: Site) -> str:
    return " ".join(f"{name}={value}" for name, value in site.labels.items())
