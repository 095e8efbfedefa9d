"""``leasehold tokens``: the one-time tokens that let an edge agent in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import parse_duration, show_when
from leasehold.cli.api import Api
from leasehold.cli.errors import WrongInputError
from leasehold.cli.options import JsonOption, TeamOption, examples, group
from leasehold.cli.profile import write_private
from leasehold.cli.session import ask_as, signed_in
from leasehold_protocol.v1.fleet import EnrolmentToken, EnrolmentTokenList, EnrolmentTokenRequest, IssuedEnrolmentToken

app = group("Enrolment tokens: each lets one edge agent in, once.")

QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print the token and nothing else.")]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="Write the token into this file (readable by you only), print it nowhere.",
    ),
]


@app.command(
    "issue",
    epilog=examples("leasehold tokens issue plant", "leasehold tokens issue plant --expires 30m --output plant.token"),
)
def issue(
    site: Annotated[str, typer.Argument(help="The site whose agent it lets in.", metavar="SITE")],
    *,
    expires: Annotated[str, typer.Option(help="How long it is good, at most 24h.", metavar="DURATION")] = "1h",
    note: Annotated[str, typer.Option(metavar="TEXT", help="Whom it is for, to recognise it in the list.")] = "",
    quiet: QuietOption = False,
    output: OutputOption = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Issue a token for a new agent of a site, and show what to type there."""
    seconds = parse_duration(expires).total_seconds()
    if seconds > 86400:
        raise WrongInputError(f"An enrolment token is good for 24h at most, not {expires}.")
    session = signed_in(team)

    async def work(api: Api) -> IssuedEnrolmentToken:
        request = EnrolmentTokenRequest(expires_in_s=seconds, note=note)
        return await api.send("POST", api.of_team("sites", site, "enrolment-tokens"), request, IssuedEnrolmentToken)

    issued = ask_as(session, work)
    if output is not None:
        write_private(output, f"{issued.token}\n".encode())
        screen.say(
            f"The token is in {output}. At the site: edge-agent enroll {session.url} --token-file {output.name}",
            stderr=True,
        )
    if json:
        screen.write_json(issued if output is None else issued.model_copy(update={"token": ""}))
    elif output is None and quiet:
        typer.echo(issued.token)
    elif output is None:
        _show_issued(issued, session.url)


def _show_issued(issued: IssuedEnrolmentToken, url: str) -> None:
    ends = show_when(issued.expires_at, now=screen.now())
    screen.say(f"A token for one agent of {issued.site}; it ends {ends} and is shown only now. Type at the site:")
    screen.say("")
    screen.say(f"  printf '%s' '{issued.token}' | edge-agent enroll {url} --token-file -")
    screen.say("  edge-agent run")


@app.command("list", epilog=examples("leasehold tokens list"))
def list_tokens(*, team: TeamOption = None, json: JsonOption = False) -> None:
    """List the team's enrolment tokens; their secrets are not kept anywhere."""

    async def work(api: Api) -> list[EnrolmentToken]:
        path = api.of_team("enrolment-tokens")
        return [token async for page in api.pages(path, EnrolmentTokenList) for token in page.items]

    tokens = ask_as(signed_in(team), work)
    if json:
        screen.write_json(tokens)
        return
    now = screen.now()
    screen.table(
        ["id", "site", "state", "ends", "issued by", "used by", "note"],
        [
            (
                token.id,
                token.site,
                _state(token),
                show_when(token.expires_at, now=now),
                token.created_by,
                token.used_by or "",
                token.note,
            )
            for token in tokens
        ],
        empty="There is no enrolment token. Issue one: leasehold tokens issue SITE",
    )


@app.command("revoke", epilog=examples("leasehold tokens revoke enr_3f9a0c12b7de"))
def revoke(
    token_id: Annotated[str, typer.Argument(help="The token's id, as listed.", metavar="ID")],
    *,
    team: TeamOption = None,
) -> None:
    """Revoke a token that was not used yet. An agent that used it stays; lock it with: leasehold agents lock"""

    async def work(api: Api) -> None:
        await api.delete(api.of_team("enrolment-tokens", public_id(token_id)))

    ask_as(signed_in(team), work)
    screen.say(f"Enrolment token {public_id(token_id)} is revoked.")


def public_id(text: str) -> str:
    """Return a token's id, also when somebody pasted the whole token: its secret part goes nowhere."""
    return text.partition(".")[0]


def _state(token: EnrolmentToken) -> str:
    if token.revoked_at is not None:
        return "revoked"
    if token.used_at is not None:
        return "used"
    return "expired" if token.expires_at <= screen.now() else "open"
