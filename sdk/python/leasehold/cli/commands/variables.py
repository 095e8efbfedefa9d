"""``leasehold variables``: values that tasks read by key, set apart from the code."""

from __future__ import annotations

import json as json_text
from typing import Annotated

import typer

from leasehold.cli import completing, screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import Api, rows
from leasehold.cli.errors import WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.options import JsonOption, TeamOption, group
from leasehold.cli.session import ask, read_secret
from leasehold_protocol.v1.context import VariableWrite
from leasehold_protocol.v1.fleet import VariableList, VariableSummary
from leasehold_protocol.v1.message import Json

app = group("Variables: values that tasks read by key.")

VariableKey = Annotated[
    str,
    typer.Argument(help="The variable's key, as tasks name it.", metavar="KEY", autocompletion=completing.variables),
]


@app.command(
    "set",
    epilog=examples(
        "leasehold variables set report/title 'Plant, daily'",
        "leasehold variables set limits '{\"max\": 3}' --json",
        "leasehold variables set letter --file letter.txt",
        "leasehold variables set limits/upper 6 --json --description 'bar, above it a pump is stopped'",
    ),
)
def set_variable(
    key: VariableKey,
    value: Annotated[str | None, typer.Argument(metavar="[VALUE]", help="The value, as text.")] = None,
    *,
    file: Annotated[
        str | None, typer.Option(help="Take the value from a file; - is standard input.", metavar="PATH|-")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The value is JSON, not text.")] = False,
    description: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What it is for; without this option it stays as it was.")
    ] = None,
    team: TeamOption = None,
) -> None:
    """Set a variable to a text, or to a JSON value."""
    if (value is None) == (file is None):
        raise WrongInputError("Say the value once.", "Either KEY VALUE, or KEY --file PATH.")
    text = value if value is not None else read_secret(file or "-")
    wanted = VariableWrite(value=_parsed(text) if json else text, description=description)

    async def work(api: Api) -> VariableSummary:
        return await api.send("PUT", api.of_team("variables", key), wanted, VariableSummary)

    screen.say(f"Variable {ask(work, team=team).key} is set.")


def _parsed(text: str) -> Json:
    try:
        return json_text.loads(text)
    except ValueError as error:
        raise WrongInputError(f"The value is not JSON: {error}.", "Without --json it is taken as text.") from error


@app.command("get", epilog=examples("leasehold variables get report/title"))
def get(key: VariableKey, *, team: TeamOption = None, json: JsonOption = False) -> None:
    """Print a variable's value (operators and admins): text as it is, other values as JSON."""

    async def work(api: Api) -> VariableSummary:
        return await api.get(api.of_team("variables", key), VariableSummary)

    found = ask(work, team=team)
    if json:
        screen.write_json(found)
    elif isinstance(found.value, str):
        typer.echo(found.value)
    else:
        screen.write_json(found.value)


@app.command("list", epilog=examples("leasehold variables list"))
def list_variables(*, team: TeamOption = None, json: JsonOption = False) -> None:
    """List the team's variables."""
    variables = ask(lambda api: rows(api.pages(api.of_team("variables"), VariableList)), team=team)
    if json:
        screen.write_json(variables)
        return
    now = screen.now()
    screen.table(
        ["key", "value", "changed", "by", "description"],
        [
            (
                found.key,
                "" if found.value is None else screen.show_value(found.value),
                show_when(found.updated_at, now=now),
                found.updated_by,
                found.description or "",
            )
            for found in variables
        ],
        empty="There is no variable. Set one: leasehold variables set KEY VALUE",
    )


@app.command("delete", epilog=examples("leasehold variables delete report/title"))
def delete(key: VariableKey, *, team: TeamOption = None) -> None:
    """Delete a variable."""

    async def work(api: Api) -> None:
        await api.delete(api.of_team("variables", key))

    ask(work, team=team)
    screen.say(f"Variable {key} is deleted.")
