"""``leasehold agents``."""

from __future__ import annotations

from typing import Annotated

import typer

from leasehold.cli import completing, screen
from leasehold.cli.amounts import parse_duration, show_size, show_when
from leasehold.cli.api import Api, rows
from leasehold.cli.errors import ConflictError, NotFoundError, WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.locking import RunningOption
from leasehold.cli.options import JsonOption, TeamOption, group
from leasehold.cli.session import ask, ask_as, signed_in
from leasehold_protocol.fingerprint import fingerprint, is_thumbprint
from leasehold_protocol.v1.fleet import (
    Agent,
    AgentList,
    EnrolmentToken,
    KeyRegistrationRequest,
    LockRequest,
    RunningAttempts,
)
from leasehold_protocol.v1.health import AgentHealth
from leasehold_protocol.v1.orders import Orders, SlotsOrder

app = group("Agents: the processes at the sites that do the work.")

LONGEST_REGISTRATION_S = 90 * 86400

AgentName = Annotated[
    str, typer.Argument(help="The agent's name or id.", metavar="AGENT", autocompletion=completing.agents)
]


@app.command("list", epilog=examples("leasehold agents list"))
def list_agents(*, team: TeamOption = None, json: JsonOption = False) -> None:
    """List the team's agents: where they are, how they are, why they take no work."""
    agents = ask(_all, team=team)
    if json:
        screen.write_json(agents)
        return
    now = screen.now()
    screen.table(
        ["agent", "site", "status", "slots", "running", "version", "last seen", "why it takes no work"],
        [
            (
                agent.name,
                agent.site,
                screen.state(agent.status),
                str(agent.slots or ""),
                str(agent.running),
                agent.version or "",
                show_when(agent.last_seen_at, now=now),
                agent.locked_because or "; ".join(agent.paused_because),
            )
            for agent in agents
        ],
        empty="No agent has enrolled yet. Let one in: leasehold tokens issue SITE",
    )


@app.command("show", epilog=examples("leasehold agents show plant-1"))
def show(agent: AgentName, *, team: TeamOption = None, json: JsonOption = False) -> None:
    """Show one agent."""

    async def work(api: Api) -> Agent:
        return await named(api, agent)

    found = ask(work, team=team)
    if json:
        screen.write_json(found)
        return
    now = screen.now()
    screen.facts(
        [
            ("agent", found.name),
            ("id", found.agent),
            ("site", found.site),
            ("status", screen.state(found.status)),
            ("locked because", found.locked_because or ""),
            ("running attempts", "may finish" if found.locked_running is RunningAttempts.FINISH else ""),
            ("takes no work because", "; ".join(found.paused_because)),
            ("site's policy", _policy(found)),
            ("ordered", "; ".join(_orders(found.orders))),
            ("worth knowing", "; ".join(_notices(found))),
            ("slots", f"{found.running} of {found.slots} in use" if found.slots else ""),
            ("version", found.version or ""),
            ("host", _host(found)),
            ("runs tasks of", ", ".join(found.runtimes or ())),
            ("Pythons for tasks", ", ".join(found.pythons or ())),
            ("key", found.key_thumbprint),
            ("key since", show_when(found.key_since, now=now)),
            ("enrolled", " from ".join(filter(None, [show_when(found.enrolled_at, now=now), found.enrolled_from]))),
            ("last seen", show_when(found.last_seen_at, now=now)),
            ("disk", _disk(found.health)),
            ("not delivered", _undelivered(found.health)),
            ("memory", show_size(found.health.rss_bytes) if found.health and found.health.rss_bytes else ""),
            ("said so", show_when(found.health_at, now=now)),
        ]
    )


@app.command(
    "lock",
    epilog=examples(
        "leasehold agents lock plant-1 --reason 'laptop stolen'",
        "leasehold agents lock plant-1 --running finish --reason 'machine is replaced'",
    ),
)
def lock(
    agent: AgentName,
    *,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why; the site's operator sees it.")
    ] = "locked by an admin",
    running: RunningOption = RunningAttempts.CANCEL,
    team: TeamOption = None,
) -> None:
    """Lock an agent: from its next request on it gets no work. Its site and its neighbours go on."""

    async def work(api: Api) -> Agent:
        found = await named(api, agent)
        await api.post(api.of_team("agents", found.agent, "lock"), LockRequest(reason=reason, running=running))
        return found

    locked = ask(work, team=team)
    screen.say(f"Agent {locked.name} is locked. Let it in again: leasehold agents unlock {locked.name}")


@app.command("unlock", epilog=examples("leasehold agents unlock plant-1"))
def unlock(agent: AgentName, *, team: TeamOption = None) -> None:
    """Let a locked agent in again."""

    async def work(api: Api) -> Agent:
        found = await named(api, agent)
        await api.post(api.of_team("agents", found.agent, "unlock"))
        return found

    screen.say(f"Agent {ask(work, team=team).name} is unlocked.")


@app.command(
    "preregister",
    epilog=examples(
        "leasehold agents preregister 0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I --site plant",
        "leasehold agents preregister 0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I --site plant --expires 30d",
    ),
)
def preregister(
    thumbprint: Annotated[
        str,
        typer.Argument(help="The key's thumbprint, as edge-agent enroll --prepare printed it.", metavar="THUMBPRINT"),
    ],
    *,
    site: Annotated[str, typer.Option(help="The site whose agent it becomes.", metavar="SITE")],
    expires: Annotated[str, typer.Option(help="How long it may enrol, at most 90d.", metavar="DURATION")] = "7d",
    note: Annotated[str, typer.Option(metavar="TEXT", help="Whom it is for, to recognise it in the list.")] = "",
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Let in the agent that has a key, once, without any token. Listed and revoked with: leasehold tokens"""
    if not is_thumbprint(thumbprint):
        raise WrongInputError(
            f"{thumbprint!r} is not the thumbprint of a key.",
            "At the site, edge-agent enroll --prepare prints it: 43 letters, digits, - or _. Copy it whole.",
        )
    seconds = parse_duration(expires).total_seconds()
    if seconds > LONGEST_REGISTRATION_S:
        raise WrongInputError(f"A key may be registered for 90d at most, not {expires}.")
    session = signed_in(team)

    async def work(api: Api) -> EnrolmentToken:
        request = KeyRegistrationRequest(thumbprint=thumbprint, expires_in_s=seconds, note=note)
        return await api.send("POST", api.of_team("sites", site, "preregistrations"), request, EnrolmentToken)

    registered = ask_as(session, work)
    if json:
        screen.write_json(registered)
        return
    screen.say(f"The key {fingerprint(thumbprint)} may enrol at {registered.site}, as {registered.id}.")
    screen.say(f"At the site: edge-agent enroll {session.url}")


async def _all(api: Api) -> list[Agent]:
    return await rows(api.pages(api.of_team("agents"), AgentList))


async def named(api: Api, wanted: str) -> Agent:
    """Return the agent with this name or id."""
    found = [agent for agent in await _all(api) if wanted in {agent.name, agent.agent}]
    if not found:
        raise NotFoundError(f"There is no agent {wanted}.", "leasehold agents list shows them.")
    if len(found) > 1:
        ids = ", ".join(agent.agent for agent in found)
        raise ConflictError(f"{len(found)} agents are named {wanted}.", f"Say which one by its id: {ids}")
    return found[0]


def _orders(orders: Orders) -> list[str]:
    """Return what was ordered, by whom and why; the agent may not have heard of it yet."""
    said: list[str] = []
    for what, order in (("pause", orders.pause), ("drain", orders.drain), ("slots", orders.slots)):
        if order is not None:
            count = f" {order.slots}" if isinstance(order, SlotsOrder) else ""
            until = f" until {order.until:%Y-%m-%d %H:%M:%S} UTC" if order.until else ""
            note = f" ({order.note})" if order.note else ""
            said.append(f"{what}{count} by {order.by} since {order.since:%Y-%m-%d %H:%M:%S} UTC{until}{note}")
    return said


def _notices(agent: Agent) -> list[str]:
    return [reason.text for reason in agent.health.reasons if not reason.blocks] if agent.health else []


def _disk(health: AgentHealth | None) -> str:
    if health is None or health.disk_free_bytes is None:
        return ""
    used = f", {show_size(health.spool_bytes)} used" if health.spool_bytes is not None else ""
    budget = f" of {show_size(health.disk_budget_bytes)}" if used and health.disk_budget_bytes is not None else ""
    return f"{show_size(health.disk_free_bytes)} free{used}{budget}"


def _undelivered(health: AgentHealth | None) -> str:
    if health is None or not (health.undelivered_attempts or health.undelivered_log_bytes):
        return ""
    return f"{health.undelivered_attempts or 0} attempts, {show_size(health.undelivered_log_bytes or 0)} of log"


def _policy(agent: Agent) -> str:
    if (policy := agent.policy) is None:
        return ""
    if policy.problem is not None or policy.fingerprint is None:
        return f"can't be used, so nothing may run: {policy.problem or 'the agent does not say why'}"
    words = [f"in force ({policy.fingerprint[:8]})"]
    if policy.slots is not None:
        words.append(f"at most {policy.slots} slots")
    if policy.hours_open is not None:
        until = "" if policy.hours_until is None else f" until {policy.hours_until.astimezone():%a %Y-%m-%d %H:%M %Z}"
        words.append(f"{'within' if policy.hours_open else 'outside'} working hours{until}")
    return ", ".join(words)


def _host(agent: Agent) -> str:
    if (host := agent.host) is None:
        return ""
    memory = "" if host.memory_bytes is None else f", {show_size(host.memory_bytes)}"
    return f"{host.hostname} ({host.os}, {host.arch}, {host.cpus} CPUs{memory}, Python {host.python})"
