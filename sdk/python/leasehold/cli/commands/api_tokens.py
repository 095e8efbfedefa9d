"""``leasehold api-tokens``: the tokens that people and programs sign in with."""

from __future__ import annotations

from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import parse_duration, show_when
from leasehold.cli.api import Api, rows
from leasehold.cli.examples import examples
from leasehold.cli.issued_tokens import OutputOption, QuietOption, TokenId, hand_over
from leasehold.cli.issued_tokens import revoke as revoke_token
from leasehold.cli.options import JsonOption, TeamOption, group
from leasehold.cli.session import ask, ask_as, signed_in
from leasehold_protocol.v1.fleet import ApiToken, ApiTokenList, ApiTokenRequest, IssuedApiToken, Role

app = group("API tokens: what people and programs sign in with.")


@app.command("create", epilog=examples("leasehold api-tokens create ci --role author --expires 30d --output ci.token"))
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is.")],
    *,
    role: Annotated[
        Role,
        typer.Option(
            metavar="viewer|author|operator|admin", help="What it allows; each role includes the ones before it."
        ),
    ] = Role.AUTHOR,
    expires: Annotated[str, typer.Option(help="How long it is good.", metavar="DURATION")] = "90d",
    quiet: QuietOption = False,
    output: OutputOption = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Create a token that lets a person or program call the API (admins)."""
    request = ApiTokenRequest(name=name, role=role, expires_in_s=parse_duration(expires).total_seconds())
    session = signed_in(team)

    async def work(api: Api) -> IssuedApiToken:
        return await api.send("POST", api.of_team("api-tokens"), request, IssuedApiToken)

    issued = ask_as(session, work)
    hand_over(
        issued,
        output=output,
        quiet=quiet,
        json=json,
        told_of_file=lambda file: f"The token is in {file}: leasehold login {session.url} --token-file {file.name}",
        told=[
            f"A token for {issued.name} ({issued.role}); it is shown only now. To sign in with it:",
            "",
            f"  printf '%s' '{issued.token}' | leasehold login {session.url} --token-file -",
        ],
    )


@app.command("list", epilog=examples("leasehold api-tokens list"))
def list_tokens(*, team: TeamOption = None, json: JsonOption = False) -> None:
    """List the team's API tokens (admins)."""
    tokens = ask(lambda api: rows(api.pages(api.of_team("api-tokens"), ApiTokenList)), team=team)
    if json:
        screen.write_json(tokens)
        return
    now = screen.now()
    screen.table(
        ["id", "name", "role", "state", "ends", "last used", "created by"],
        [
            (
                token.id,
                token.name,
                token.role.value,
                _state(token),
                show_when(token.expires_at, now=now),
                show_when(token.last_used_at, now=now),
                token.created_by,
            )
            for token in tokens
        ],
        empty="The team has no API token. Make one: leasehold api-tokens create NAME",
    )


@app.command("revoke", epilog=examples("leasehold api-tokens revoke lht_3f9a0c12b7de"))
def revoke(token_id: TokenId, *, team: TeamOption = None) -> None:
    """Revoke a token: from this moment it opens nothing."""
    screen.say(f"API token {revoke_token('api-tokens', token_id, team=team)} is revoked.")


def _state(token: ApiToken) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at is not None and token.expires_at <= screen.now() else "good"
