"""``leasehold tokens``: the one-time tokens that let an edge agent in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import parse_duration, show_when
from leasehold.cli.api import Api, rows
from leasehold.cli.errors import WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.issued_tokens import OutputOption, QuietOption, TokenId, hand_over
from leasehold.cli.issued_tokens import revoke as revoke_token
from leasehold.cli.options import JsonOption, TeamOption, group
from leasehold.cli.session import ask, ask_as, signed_in
from leasehold.cli.ways_in import in_lines, kept, typed, ways
from leasehold_protocol.fingerprint import fingerprint
from leasehold_protocol.v1.fleet import EnrolmentToken, EnrolmentTokenList, EnrolmentTokenRequest, IssuedEnrolmentToken

app = group("Enrolment tokens: each lets one edge agent in, once.")


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
    hand_over(
        issued,
        output=output,
        quiet=quiet,
        json=json,
        told_of_file=lambda file: "\n".join(_to_type_with_the_file(issued, session.url, file)),
        told=_to_type_at_the_site(issued, session.url),
    )


def _to_type_at_the_site(issued: IssuedEnrolmentToken, url: str) -> list[str]:
    ends = show_when(issued.expires_at, now=screen.now())
    return [
        f"A token for one agent of {issued.site}; it ends {ends} and is shown only now. Type at the site, if it came",
        *in_lines(ways(url, issued.site, typed(issued.token))),
    ]


def _to_type_with_the_file(issued: IssuedEnrolmentToken, url: str, file: Path) -> list[str]:
    ends = show_when(issued.expires_at, now=screen.now())
    return [
        f"The token for one agent of {issued.site} is in {file}; it ends {ends}. Bring the file to the site, and type "
        "there, if the agent came",
        *in_lines(ways(url, issued.site, kept(file))),
    ]


@app.command("list", epilog=examples("leasehold tokens list"))
def list_tokens(*, team: TeamOption = None, json: JsonOption = False) -> None:
    """List the team's enrolment tokens; their secrets are not kept anywhere."""
    tokens = ask(lambda api: rows(api.pages(api.of_team("enrolment-tokens"), EnrolmentTokenList)), team=team)
    if json:
        screen.write_json(tokens)
        return
    now = screen.now()
    screen.table(
        ["id", "site", "state", "ends", "issued by", "used by", "only for key", "note"],
        [
            (
                token.id,
                token.site,
                _state(token),
                show_when(token.expires_at, now=now),
                token.created_by,
                token.used_by or "",
                fingerprint(token.key_thumbprint)[:16] + "…" if token.key_thumbprint else "",
                token.note,
            )
            for token in tokens
        ],
        empty="There is no enrolment token. Issue one: leasehold tokens issue SITE",
    )


@app.command("revoke", epilog=examples("leasehold tokens revoke enr_3f9a0c12b7de"))
def revoke(token_id: TokenId, *, team: TeamOption = None) -> None:
    """Revoke a token that was not used yet. An agent that used it stays; lock it with: leasehold agents lock"""
    screen.say(f"Enrolment token {revoke_token('enrolment-tokens', token_id, team=team)} is revoked.")


def _state(token: EnrolmentToken) -> str:
    if token.revoked_at is not None:
        return "revoked"
    if token.used_at is not None:
        return "used"
    return "expired" if token.expires_at <= screen.now() else "open"
