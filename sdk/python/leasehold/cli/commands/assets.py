"""``leasehold assets``: the data that tasks read and write, and what happened to it."""

from __future__ import annotations

import json as json_text
from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import rows
from leasehold.cli.examples import examples
from leasehold.cli.following import task_label
from leasehold.cli.options import JsonOption, TeamOption, group
from leasehold.cli.session import ask
from leasehold_protocol.v1.assets import AssetDetail, AssetEventList, AssetList

app = group("Assets: the data that tasks read and write, declared with inlets=[…] and outlets=[…].")

Name = Annotated[str, typer.Argument(help="The asset's name.", metavar="ASSET")]


@app.command("list", epilog=examples("leasehold assets list", "leasehold assets list --json"))
def list_assets(*, team: TeamOption = None, json: JsonOption = False) -> None:
    """List the team's assets."""
    found = ask(lambda api: rows(api.pages(api.of_team("assets"), AssetList)), team=team)
    if json:
        screen.write_json(found)
        return
    now = screen.now()
    screen.table(
        ["asset", "uri", "group", "active", "declared by", "last event"],
        [
            (
                each.name,
                each.uri,
                each.group,
                "yes" if each.active else "no",
                ", ".join(each.declared_by),
                show_when(each.last_event, now=now) if each.last_event else "",
            )
            for each in found
        ],
        empty="No DAG of this team declares an asset.",
    )


@app.command("show", epilog=examples("leasehold assets show plant_north/readings"))
def show(name: Name, *, team: TeamOption = None, json: JsonOption = False) -> None:
    """Show an asset, and why it is not active if it is not."""
    found = ask(lambda api: api.get(api.of_team("assets", name), AssetDetail), team=team)
    if json:
        screen.write_json(found)
        return
    now = screen.now()
    screen.facts(
        {
            "asset": found.name,
            "uri": found.uri,
            "group": found.group,
            "extra": json_text.dumps(found.extra, ensure_ascii=False) if found.extra else "",
            "active": "yes" if found.active else f"no: {found.inactive_because}",
            "declared by": ", ".join(found.declared_by),
            "aliases": ", ".join(found.aliases),
            "first seen": show_when(found.first_seen, now=now),
            "last event": show_when(found.last_event, now=now) if found.last_event else "none yet",
        }.items()
    )


@app.command(
    "events",
    epilog=examples("leasehold assets events plant_north/readings", "leasehold assets events --limit 20 --json"),
)
def events(
    name: Annotated[str | None, typer.Argument(help="The asset's name (default: all).", metavar="ASSET")] = None,
    *,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="NUMBER", min=1, max=1000, help="How many at most.")
    ] = 100,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """List what happened to assets, newest first."""
    query: dict[str, str | int | float] = {"limit": limit} if name is None else {"limit": limit, "asset": name}
    found = ask(lambda api: api.get(api.of_team("asset-events"), AssetEventList, query), team=team).items
    if json:
        screen.write_json(found)
        return
    now = screen.now()
    screen.table(
        ["at", "asset", "task", "run", "extra"],
        [
            (
                show_when(each.at, now=now),
                each.asset if each.alias is None else f"{each.asset} (as {each.alias})",
                f"{each.dag}.{task_label(each.task, each.map_index)}",
                each.run,
                json_text.dumps(each.extra, ensure_ascii=False) if each.extra else "",
            )
            for each in found
        ],
        empty="Nothing has happened yet: an asset has an event when a task succeeds that has it as outlet.",
    )
