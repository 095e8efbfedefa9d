"""``leasehold webhooks``: what was told to others when runs ended, and what could not be."""

from __future__ import annotations

from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import Api, Query, rows
from leasehold.cli.errors import WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.options import JsonOption, TeamOption, group
from leasehold.cli.session import ask
from leasehold_protocol.v1.message import Message
from leasehold_protocol.v1.webhooks import Webhook, WebhookList, WebhookState

app = group("Webhooks: what DAGs tell others with on_failure, on_success and on_retry.")


@app.command("list", epilog=examples("leasehold webhooks list", "leasehold webhooks list --state dead --json"))
def list_webhooks(
    *,
    state: Annotated[
        WebhookState | None, typer.Option(metavar="waiting|delivered|dead", help="Only those in this state.")
    ] = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """List webhooks, newest first; those that are settled can be looked at for thirty days."""
    query: Query = {} if state is None else {"state": state.value}
    found = ask(lambda api: rows(api.pages(api.of_team("webhooks"), WebhookList, query)), team=team)
    if json:
        screen.write_json(found)
        return
    now = screen.now()
    screen.table(
        ["webhook", "event", "run", "to", "state", "tries", "next", "trouble"],
        [
            (
                each.webhook,
                each.event,
                f"{each.dag} {each.run}",
                each.target,
                screen.state(each.state),
                str(each.tries),
                show_when(each.due_at, now=now) if each.due_at else "",
                screen.show_value(each.error or "", longest=200),
            )
            for each in found
        ],
        empty="Nothing was told to anybody. A DAG says whom to tell: @dag(on_failure='https://…')",
    )


@app.command("retry", epilog=examples("leasehold webhooks retry hook_019a8f3c", "leasehold webhooks retry --dead"))
def retry(
    webhook: Annotated[str | None, typer.Argument(help="The webhook's id, as listed.", metavar="[WEBHOOK]")] = None,
    *,
    dead: Annotated[bool, typer.Option("--dead", help="All that were given up.")] = False,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Send again what was given up."""
    if (webhook is None) != dead:
        raise WrongInputError("Name one webhook, or all that were given up.", "leasehold webhooks retry --dead")

    async def work(api: Api) -> list[Webhook]:
        if webhook is not None:
            return [await _send_again(api, webhook)]
        given_up = await rows(api.pages(api.of_team("webhooks"), WebhookList, {"state": WebhookState.DEAD.value}))
        return [await _send_again(api, each.webhook) for each in given_up]

    done = ask(work, team=team)
    if json:
        screen.write_json(done)
    else:
        screen.say(f"Sent again: {len(done)}. What comes of it: leasehold webhooks list")


async def _send_again(api: Api, webhook: str) -> Webhook:
    return await api.send("POST", api.of_team("webhooks", webhook, "retry"), Message(), Webhook)
