"""``leasehold service-clients``: programs of a team that sign in by themselves (OAuth client_credentials)."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import parse_duration, show_when
from leasehold.cli.api import Api, rows
from leasehold.cli.errors import WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.options import JsonOption, TeamOption, group
from leasehold.cli.profile import write_private
from leasehold.cli.session import ask, ask_as, read_secret, signed_in
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.message import Message
from leasehold_protocol.v1.service_clients import (
    IssuedServiceClient,
    ServiceClient,
    ServiceClientList,
    ServiceClientLock,
    ServiceClientWrite,
)

app = group("Service clients: programs that sign in by themselves, with a secret or a key.")

ClientName = Annotated[str, typer.Argument(metavar="CLIENT", help="The client's name or id, as listed.")]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="PATH", help="Write the secret into this file (readable by you only), print it not."
    ),
]


class _Nothing(Message):
    """A body with nothing in it."""


@app.command(
    "create",
    epilog=examples(
        "leasehold service-clients create ci --role author --output ci.secret",
        "leasehold service-clients create ci --public-key ci.jwk.json",
    ),
)
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called.")],
    *,
    role: Annotated[
        Role,
        typer.Option(
            metavar="viewer|author|operator|admin", help="What it allows; each role includes the ones before it."
        ),
    ] = Role.AUTHOR,
    public_key: Annotated[
        Path | None,
        typer.Option(
            "--public-key", metavar="FILE", help="A public JWK (P-256 or RSA) that it signs in with, without a secret."
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="How long it is good; without end by default.", metavar="DURATION")
    ] = None,
    output: OutputOption = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Make a service client (admins)."""
    request = ServiceClientWrite(
        name=name,
        role=role,
        public_key=None if public_key is None else _jwk(public_key),
        expires_in_s=None if expires is None else parse_duration(expires).total_seconds(),
    )
    session = signed_in(team)

    async def work(api: Api) -> IssuedServiceClient:
        return await api.send("POST", api.of_team("service-clients"), request, IssuedServiceClient)

    _hand_over(ask_as(session, work), url=session.url, output=output, json=json)


@app.command("list", epilog=examples("leasehold service-clients list"))
def list_clients(*, team: TeamOption = None, json: JsonOption = False) -> None:
    """List the team's service clients (admins)."""
    clients = ask(lambda api: rows(api.pages(api.of_team("service-clients"), ServiceClientList)), team=team)
    if json:
        screen.write_json(clients)
        return
    now = screen.now()
    screen.table(
        ["id", "name", "role", "signs in with", "state", "ends", "last used"],
        [
            (
                client.id,
                client.name,
                client.role.value,
                "secret" if client.has_secret else f"key {(client.key_thumbprint or '')[:12]}…",
                _state(client),
                show_when(client.expires_at, now=now),
                show_when(client.last_used_at, now=now),
            )
            for client in clients
        ],
        empty="The team has no service client. Make one: leasehold service-clients create NAME",
    )


@app.command("rotate", epilog=examples("leasehold service-clients rotate ci --output ci.secret"))
def rotate(
    client: ClientName, *, output: OutputOption = None, team: TeamOption = None, json: JsonOption = False
) -> None:
    """Make a new secret; the old one and the tokens it got end at once."""
    session = signed_in(team)

    async def work(api: Api) -> IssuedServiceClient:
        path = api.of_team("service-clients", client, "secret")
        return await api.send("POST", path, _Nothing(), IssuedServiceClient)

    _hand_over(ask_as(session, work), url=session.url, output=output, json=json)


@app.command("lock", epilog=examples('leasehold service-clients lock ci --reason "its secret leaked"'))
def lock(
    client: ClientName,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Told to whoever uses it.")],
    team: TeamOption = None,
) -> None:
    """Keep a service client out, from its very next request on."""
    _send(client, "lock", ServiceClientLock(reason=reason), team)
    screen.say(f"Service client {client} is locked.")


@app.command("unlock", epilog=examples("leasehold service-clients unlock ci"))
def unlock(client: ClientName, *, team: TeamOption = None) -> None:
    """Let a service client in again."""
    _send(client, "unlock", _Nothing(), team)
    screen.say(f"Service client {client} is unlocked.")


@app.command("remove", epilog=examples("leasehold service-clients remove ci"))
def remove(client: ClientName, *, team: TeamOption = None) -> None:
    """Remove a service client; its tokens end at once."""

    async def work(api: Api) -> None:
        await api.delete(api.of_team("service-clients", client))

    ask(work, team=team)
    screen.say(f"Service client {client} is removed.")


def _send(client: str, what: str, body: Message, team: str | None) -> None:
    async def work(api: Api) -> ServiceClient:
        return await api.send("POST", api.of_team("service-clients", client, what), body, ServiceClient)

    ask(work, team=team)


def _hand_over(issued: IssuedServiceClient, *, url: str, output: Path | None, json: bool) -> None:
    """Give a secret to whoever asked for it, the one time it is there."""
    if output is not None and issued.secret is not None:
        write_private(output, f"{issued.secret}\n".encode())
        screen.say(f"The secret is in {output}.", stderr=True)
    if json:
        screen.write_json(issued if output is None else issued.model_copy(update={"secret": None}))
        return
    screen.say(f"Service client {issued.name} ({issued.role.value}) signs in at {url}/oauth/token")
    screen.say(f"  client_id      {issued.id}")
    if issued.secret is not None and output is None:
        screen.say(f"  client_secret  {issued.secret}")
        screen.say("The secret is shown only now.")


def _jwk(file: Path) -> dict[str, Any]:
    try:
        found: Any = json_text.loads(read_secret(str(file)))
    except ValueError as error:
        raise WrongInputError(f"{file} is no JWK: it is not JSON.") from error
    if not isinstance(found, dict):
        raise WrongInputError(f"{file} is no JWK: it must be a JSON object.")
    if "d" in found or "k" in found:
        raise WrongInputError(
            f"{file} has a private key; it was not sent.", "Give the public half: kty, crv, x and y, or kty, n and e."
        )
    return found


def _state(client: ServiceClient) -> str:
    if client.locked_because is not None:
        return f"locked: {client.locked_because}"
    return "expired" if client.expires_at is not None and client.expires_at <= screen.now() else "good"
