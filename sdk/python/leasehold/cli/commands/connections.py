"""``leasehold connections``: what tasks may reach, and from which sites."""

from __future__ import annotations

import json as json_text
from typing import Annotated

import typer

from leasehold.cli import completing, screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import Api, rows
from leasehold.cli.connection_uri import from_fields, from_uri
from leasehold.cli.errors import WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.options import JsonOption, TeamOption, group
from leasehold.cli.session import ask, read_secret
from leasehold_protocol.v1.fleet import ConnectionList, ConnectionSummary
from leasehold_protocol.v1.message import Json

app = group("Connections: what tasks may reach, and which sites reach it.")

ConnectionId = Annotated[
    str,
    typer.Argument(help="The connection's id, as tasks name it.", metavar="ID", autocompletion=completing.connections),
]


@app.command(
    "set",
    epilog=examples(
        "leasehold connections set plant_db --conn-type sqlite --host /srv/plant/readings.db --site plant",
        "leasehold connections set erp --uri-file erp.uri --site plant --site office",
        "leasehold connections set mail --conn-type smtp --host mail.lan --login bot --password-file - --site office",
    ),
)
def set_connection(
    connection: ConnectionId,
    *,
    uri: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="type://login:password@host:port/schema?key=value; with a password in it better --uri-file,"
            " for others on this machine can see what is typed here.",
        ),
    ] = None,
    uri_file: Annotated[
        str | None, typer.Option(help="Read the URI from a file; - is standard input.", metavar="PATH|-")
    ] = None,
    conn_type: Annotated[str | None, typer.Option(metavar="TYPE", help="What it is: postgres, sqlite, http, …")] = None,
    host: Annotated[str | None, typer.Option(metavar="HOST", help="The host, or a file's path.")] = None,
    port: Annotated[int | None, typer.Option(metavar="PORT", min=0, max=65535, help="The port.")] = None,
    login: Annotated[str | None, typer.Option(metavar="NAME", help="The user name there.")] = None,
    password_file: Annotated[
        str | None, typer.Option(help="Read the password from a file; - is standard input.", metavar="PATH|-")
    ] = None,
    schema: Annotated[str | None, typer.Option(metavar="NAME", help="The schema or database.")] = None,
    extra: Annotated[
        str | None,
        typer.Option(
            help="More fields, as a JSON object; with secrets in it better --extra-file, for others on this machine can"
            " see what is typed here.",
            metavar="JSON",
        ),
    ] = None,
    extra_file: Annotated[
        str | None, typer.Option(help="Read the JSON object from a file; - is standard input.", metavar="PATH|-")
    ] = None,
    description: Annotated[str, typer.Option(metavar="TEXT", help="What it is, for people.")] = "",
    site: Annotated[
        list[str] | None, typer.Option("--site", metavar="SITE", help="A site that reaches it; repeat for more.")
    ] = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Set a connection: what it is, and which sites reach it (admins). Replaces what was there.

    A task that declares it runs only at these sites, and is the only one to get its secrets.
    """
    if extra_file is not None:
        if extra is not None:
            raise WrongInputError("--extra and --extra-file say the same thing.", "Leave one of them out.")
        if extra_file == password_file == "-":
            raise WrongInputError("Standard input is one thing only.", "Put the password or the fields into a file.")
        extra = read_secret(extra_file)
    fields: dict[str, Json] = {
        "conn_type": conn_type,
        "host": host,
        "port": port,
        "login": login,
        "schema": schema,
        "extra": _object(extra) if extra else None,
    }
    if uri is not None or uri_file is not None:
        if password_file is not None or any(value is not None for value in fields.values()):
            raise WrongInputError("A URI says it all: leave out --conn-type, --host and the others beside it.")
        text = read_secret(uri_file) if uri_file is not None else uri or ""
        wanted = from_uri(text, sites=site or [], description=description)
    else:
        if conn_type is None:
            raise WrongInputError("What is it?", "--conn-type TYPE with --host and so on, or --uri-file PATH.")
        fields["password"] = read_secret(password_file) if password_file is not None else None
        wanted = from_fields(fields, sites=site or [], description=description)

    async def work(api: Api) -> ConnectionSummary:
        return await api.send("PUT", api.of_team("connections", connection), wanted, ConnectionSummary)

    made = ask(work, team=team)
    if json:
        screen.write_json(made)
        return
    screen.say(f"Connection {made.id} is set; {_reach(made)}.")


def _object(text: str) -> dict[str, Json]:
    try:
        value = json_text.loads(text)
    except ValueError as error:
        raise WrongInputError(f"What --extra or --extra-file gives is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise WrongInputError('--extra and --extra-file take a JSON object, like \'{"sslmode": "require"}\'.')
    return value


def _reach(connection: ConnectionSummary) -> str:
    if not connection.sites:
        return "no site reaches it yet, so no task that needs it can run (--site SITE)"
    return f"reached from {', '.join(connection.sites)}"


@app.command("list", epilog=examples("leasehold connections list"))
def list_connections(*, team: TeamOption = None, json: JsonOption = False) -> None:
    """List the team's connections, without their secrets."""
    connections = ask(lambda api: rows(api.pages(api.of_team("connections"), ConnectionList)), team=team)
    if json:
        screen.write_json(connections)
        return
    now = screen.now()
    screen.table(
        ["connection", "type", "host", "sites", "changed", "description"],
        [
            (
                found.id,
                found.conn_type,
                found.host or "",
                ", ".join(found.sites),
                show_when(found.updated_at, now=now),
                found.description,
            )
            for found in connections
        ],
        empty="There is no connection. Set one: leasehold connections set ID --conn-type TYPE --host HOST --site SITE",
    )


@app.command("show", epilog=examples("leasehold connections show plant_db"))
def show(connection: ConnectionId, *, team: TeamOption = None, json: JsonOption = False) -> None:
    """Show one connection. Its password and extra values stay with the API."""

    async def work(api: Api) -> ConnectionSummary:
        return await api.get(api.of_team("connections", connection), ConnectionSummary)

    found = ask(work, team=team)
    if json:
        screen.write_json(found)
        return
    screen.facts(
        [
            ("connection", found.id),
            ("type", found.conn_type),
            ("host", found.host or ""),
            ("port", str(found.port or "")),
            ("login", found.login or ""),
            ("password", "set" if found.has_password else "none"),
            ("schema", found.schema_ or ""),
            ("extra", ", ".join(found.extra_keys)),
            ("sites", ", ".join(found.sites) or "none"),
            ("description", found.description),
            ("changed", f"{show_when(found.updated_at, now=screen.now())} by {found.updated_by}"),
        ]
    )


@app.command("delete", epilog=examples("leasehold connections delete erp"))
def delete(connection: ConnectionId, *, team: TeamOption = None) -> None:
    """Delete a connection. Tasks that need it wait from now on, and say so."""

    async def work(api: Api) -> None:
        await api.delete(api.of_team("connections", connection))

    ask(work, team=team)
    screen.say(f"Connection {connection} is deleted.")
