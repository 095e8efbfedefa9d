"""A token that was just made, and its end: what enrolment tokens and API tokens have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.api import Api
from leasehold.cli.profile import write_private
from leasehold.cli.session import ask
from leasehold_protocol.v1.fleet import IssuedApiToken, IssuedEnrolmentToken

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
TokenId = Annotated[str, typer.Argument(help="The token's id, as listed.", metavar="ID")]


def hand_over(
    issued: IssuedApiToken | IssuedEnrolmentToken,
    *,
    output: Path | None,
    quiet: bool,
    json: bool,
    told_of_file: Callable[[Path], str],
    told: Sequence[str],
) -> None:
    """Give a token to whoever asked for it, the one time it is there: into a file, or on the screen.

    Args:
        issued: The token.
        output: The file to write it into; it is printed nowhere then.
        quiet: Print the token alone.
        json: Print the whole answer, for programs.
        told_of_file: Where the token is and how to use the file, said beside the results.
        told: The lines for a person, the token among them.
    """
    if output is not None:
        write_private(output, f"{issued.token}\n".encode())
        screen.say(told_of_file(output), stderr=True)
    if json:
        screen.write_json(issued if output is None else issued.model_copy(update={"token": ""}))
    elif output is None and quiet:
        typer.echo(issued.token)
    elif output is None:
        for line in told:
            screen.say(line)


def revoke(kind: str, token_id: str, *, team: str | None) -> str:
    """Revoke a token of one kind (``api-tokens``, ``enrolment-tokens``) and return its id."""
    name = public_id(token_id)

    async def work(api: Api) -> None:
        await api.delete(api.of_team(kind, name))

    ask(work, team=team)
    return name


def public_id(text: str) -> str:
    """Return a token's id, also when somebody pasted the whole token: its secret part goes nowhere."""
    return text.partition(".")[0]
