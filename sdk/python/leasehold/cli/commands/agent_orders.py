"""``leasehold agents pause | resume | drain | set-slots``: what an agent hears at once, wherever it is."""

from __future__ import annotations

from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import parse_duration
from leasehold.cli.api import Api
from leasehold.cli.commands.agents import AgentName, app, named
from leasehold.cli.errors import WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.options import JsonOption, TeamOption
from leasehold.cli.session import ask
from leasehold_protocol.v1.fleet import Agent
from leasehold_protocol.v1.message import Message
from leasehold_protocol.v1.orders import DrainRequest, PauseRequest, SlotsRequest

NoteOption = Annotated[str, typer.Option(metavar="TEXT", help="Why; the site's operator sees it.")]


@app.command(
    "pause",
    epilog=examples(
        "leasehold agents pause plant-1 --note 'network is rebuilt'", "leasehold agents pause plant-1 --for 2h"
    ),
)
def pause(
    agent: AgentName,
    *,
    note: NoteOption = "",
    duration: Annotated[
        str | None, typer.Option("--for", metavar="2h", help="How long; by default until it is resumed.")
    ] = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Let an agent take no new work. What it runs goes on."""
    for_s = None if duration is None else parse_duration(duration).total_seconds()
    paused = _order(agent, "pause", PauseRequest(note=note, for_s=for_s), team=team)
    until = paused.orders.pause.until if paused.orders.pause else None
    ends = f"until {until:%Y-%m-%d %H:%M:%S} UTC" if until else f"until: leasehold agents resume {paused.name}"
    _show(paused, f"Agent {paused.name} takes no new work {ends}", json=json)


@app.command("drain", epilog=examples("leasehold agents drain plant-1 --note 'machine is replaced'"))
def drain(agent: AgentName, *, note: NoteOption = "", team: TeamOption = None, json: JsonOption = False) -> None:
    """Let an agent take no new work, and end when everything it has is delivered."""
    drained = _order(agent, "drain", DrainRequest(note=note), team=team)
    said = (
        f"Agent {drained.name} drains: {drained.running} running. Started again, it takes no work before: "
        f"leasehold agents resume {drained.name}"
    )
    _show(drained, said, json=json)


@app.command("resume", epilog=examples("leasehold agents resume plant-1"))
def resume(agent: AgentName, *, team: TeamOption = None, json: JsonOption = False) -> None:
    """Let an agent take work again that was paused or drained here. A pause at its site goes on."""
    _show(
        resumed := _order(agent, "resume", Message(), team=team), f"Agent {resumed.name} takes work again.", json=json
    )


@app.command(
    "set-slots",
    epilog=examples("leasehold agents set-slots plant-1 4", "leasehold agents set-slots plant-1 default"),
)
def set_slots(
    agent: AgentName,
    slots: Annotated[str, typer.Argument(help="At most so many at once; default: as its site sets.", metavar="SLOTS")],
    *,
    note: NoteOption = "",
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Let an agent run at most so many attempts at once, never more than its own operator and its site allow."""
    if slots != "default" and not (slots.isascii() and slots.isdigit() and 1 <= int(slots) <= 1024):
        raise WrongInputError(f"SLOTS is a number from 1 to 1024, or default, not {slots!r}.")
    wanted = None if slots == "default" else int(slots)
    ordered = _order(agent, "slots", SlotsRequest(slots=wanted, note=note), team=team)
    most = "as many slots as its site sets" if wanted is None else f"at most {wanted} slots"
    _show(ordered, f"Agent {ordered.name} uses {most}.", json=json)


def _order(agent: str, what: str, body: Message, *, team: str | None) -> Agent:
    async def work(api: Api) -> Agent:
        found = await named(api, agent)
        path = api.of_team("agents", found.agent, what)
        return await api.send("POST", path, body, Agent)

    return ask(work, team=team)


def _show(agent: Agent, said: str, *, json: bool) -> None:
    if json:
        screen.write_json(agent)
    else:
        screen.say(said)
