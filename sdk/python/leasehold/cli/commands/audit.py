"""``leasehold audit``: who did what to what, from where, with what result."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import parse_duration, show_when
from leasehold.cli.api import Api
from leasehold.cli.errors import WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.options import JsonOption, TeamOption, group
from leasehold.cli.session import ask
from leasehold_protocol.v1.audit import NDJSON_MEDIA_TYPE, AuditList, AuditRow

app = group("The audit trail: who did what (admins).")

Since = Annotated[
    str | None, typer.Option(metavar="WHEN", help="Rows since then: a duration back from now (2h, 7d), or a date.")
]
Action = Annotated[str | None, typer.Option(metavar="ACTION", help="Rows of this action only: site.created.")]
Actor = Annotated[str | None, typer.Option(metavar="ACTOR", help="Rows of this actor only: token:ci.")]
Everywhere = Annotated[bool, typer.Option("--everywhere", help="All teams and the platform itself (platform admins).")]


@app.command("list", epilog=examples("leasehold audit list --since 24h", "leasehold audit list --action agent.locked"))
def list_rows(
    *,
    since: Since = None,
    action: Action = None,
    actor: Actor = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many, the oldest first.")] = 1000,
    everywhere: Everywhere = False,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """List what was done, oldest first."""
    query = _query(since, action, actor)

    async def work(api: Api) -> list[AuditRow]:
        found: list[AuditRow] = []
        async for page in api.pages(_path(api, everywhere=everywhere), AuditList, query | {"limit": min(limit, 1000)}):
            found += page.items
            if len(found) >= limit:
                break
        return found[:limit]

    rows = ask(work, team=team)
    if json:
        screen.write_json(rows)
        return
    now = screen.now()
    screen.table(
        ["row", "when", "who", "from", "action", "what", "result", "detail"],
        [
            (
                str(row.seq),
                show_when(row.at, now=now),
                row.actor,
                row.address or "",
                row.action,
                row.object,
                row.result,
                "" if row.detail is None else screen.show_value(row.detail),
            )
            for row in rows
        ],
        empty="There is no such row in the audit trail.",
    )


@app.command(
    "export",
    epilog=examples(
        "leasehold audit export --everywhere --output audit.ndjson", "leasehold audit export --since 2026-11-01"
    ),
)
def export(
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="PATH", help="The file; standard output by default.")
    ] = None,
    since: Since = None,
    action: Action = None,
    actor: Actor = None,
    everywhere: Everywhere = False,
    team: TeamOption = None,
) -> None:
    """Export rows as NDJSON, each with its hash. Check them with: leasehold-api audit verify --from-file PATH"""
    query = _query(since, action, actor)
    with _opened(output) as file:

        async def work(api: Api) -> int:
            written = 0
            path = _path(api, everywhere=everywhere)
            async for piece in api.content(path, media_type=NDJSON_MEDIA_TYPE, query=query):
                file.write(piece)
                written += piece.count(b"\n")
            return written

        count = ask(work, team=team)
        file.flush()
    if output is not None:
        screen.say(f"{count} rows are in {output}.")


def _opened(output: Path | None) -> IO[bytes] | nullcontext[IO[bytes]]:
    if output is None:
        return nullcontext(sys.stdout.buffer)
    try:
        return output.open("wb")
    except OSError as error:
        raise WrongInputError(f"Cannot write {output}: {error.strerror or error}.") from error


def _path(api: Api, *, everywhere: bool) -> str:
    return "/v1/audit" if everywhere else api.of_team("audit")


def _query(since: str | None, action: str | None, actor: str | None) -> dict[str, str | int | float]:
    moment = None if since is None else _moment(since).isoformat()
    given = {"since": moment, "action": action, "actor": actor}
    return {name: value for name, value in given.items() if value is not None}


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        return screen.now() - parse_duration(text)
