"""``leasehold events``: tell tasks that wait for something that it has happened."""

from __future__ import annotations

import json as json_text
from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.api import Api
from leasehold.cli.errors import WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.options import JsonOption, TeamOption, group
from leasehold.cli.session import ask
from leasehold_protocol.v1.inputs import SendEvent, SentEvent

app = group("Events: what tasks wait for with defer(event=…).")


@app.callback()
def _group() -> None:
    """Keep ``send`` a command of its own, although it is the only one."""


@app.command(
    "send", epilog=examples("leasehold events send plant/opens", "leasehold events send stock --value '{\"tons\": 3}'")
)
def send(
    name: Annotated[str, typer.Argument(help="The event's name, as tasks have it.", metavar="NAME")],
    *,
    value: Annotated[
        str | None, typer.Option(help="A JSON value (16 KiB at most) for every task that waits.", metavar="JSON")
    ] = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Send an event to every task of the team that waits for it (authors)."""
    try:
        body = SendEvent(name=name, value=None if value is None else json_text.loads(value))
    except ValueError as error:
        what = "a name for an event" if value is None else "a name and a JSON value"
        raise WrongInputError(
            f"That is not {what}: {name} {value or ''}.", "A text is JSON in quotes: '\"north\"'"
        ) from error

    async def work(api: Api) -> SentEvent:
        return await api.send("POST", api.of_team("events"), body, SentEvent)

    sent = ask(work, team=team)
    if json:
        screen.write_json(sent)
    else:
        tasks = "1 task waited for it and goes" if sent.resumed == 1 else f"{sent.resumed} tasks waited for it and go"
        screen.say(f"Event {sent.name} is sent. {tasks} on.")
