"""``edge-agent status``: what it is, what it runs, what it could not deliver yet, why it takes no work."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator

from leasehold_agent.commands.settings import settings_from
from leasehold_agent.config import Settings
from leasehold_agent.exits import Exit
from leasehold_agent.identity.record import Identity, read_record
from leasehold_agent.packs.found import offered_packs
from leasehold_agent.status import Status, ask_running_agent, attempts_on_disk
from leasehold_agent.version import agent_version


def run(arguments: Namespace) -> Exit:
    """Print the status. The exit code says whether it is enrolled."""
    status = current(settings_from(arguments).settings)
    sys.stdout.write(status.model_dump_json(indent=2) + "\n" if arguments.json else "\n".join(_lines(status)) + "\n")
    return Exit.OK if status.agent else Exit.NOT_ENROLLED


def current(settings: Settings) -> Status:
    """Return what the running agent says, or what its state directory tells without one."""
    if status := ask_running_agent(settings.state_dir):
        return status
    record = read_record(settings.state_dir)
    identity = record if isinstance(record, Identity) else None
    return Status(
        running=False,
        version=agent_version(),
        state_dir=str(settings.state_dir),
        agent=identity.client_id if identity else None,
        name=identity.name if identity else None,
        site=identity.site if identity else None,
        team=identity.team if identity else None,
        api_url=record.api_url if record else None,
        paused_because=["the agent is not running"] if identity else ["this agent is not enrolled"],
        packs=[f"{one.name} {one.version}" for one in offered_packs(settings.state_dir / "packs")],
        attempts=attempts_on_disk(settings.state_dir),
    )


def _lines(status: Status) -> Iterator[str]:
    who = f"{status.name} · site {status.site} · team {status.team}" if status.agent else "not enrolled"
    process = f"running (pid {status.pid})" if status.running else "not running"
    yield f"agent     {who}"
    yield f"process   {process}, version {status.version}"
    yield f"state     {status.state_dir}"
    yield f"API       {status.api_url or 'none'} · {status.link}"
    if status.slots is not None:
        taken = sum(one.phase in ("starting", "running") for one in status.attempts)
        yield f"slots     {taken} of {status.slots} taken"
    if status.policy is not None:
        yield f"policy    {status.policy}"
    if status.pythons:
        yield f"runs      Python {', '.join(status.pythons)}; {_containers(status)}"
    if status.packs:
        yield f"packs     {', '.join(status.packs)}"
    yield f"new work  {_new_work(status)}"
    for reason in status.reasons:
        holds = "no new work" if reason.blocks else "to know"
        yield f"reason    {reason.name} since {reason.since:%Y-%m-%d %H:%M:%S} UTC ({holds}): {reason.text}"
    if disk := status.disk:
        yield (
            f"disk      {disk.free_mb} MiB free (low water {disk.low_water_mb}), "
            f"{disk.used_mb} of {disk.budget_mb} MiB used by attempts and bundles"
        )
        if disk.undelivered_attempts or disk.undelivered_log_bytes:
            oldest = f", the oldest since {disk.oldest_undelivered_s:.0f} s" if disk.oldest_undelivered_s else ""
            yield (
                f"delivery  {disk.undelivered_attempts} ended attempts wait{oldest}; "
                f"{disk.undelivered_log_bytes} bytes of log"
            )
    for one in status.attempts:
        progress = f" {one.progress:.0%}" if one.progress is not None else ""
        extra = " · ".join(text for text in (one.note, one.trouble) if text)
        yield f"attempt   {one.attempt}  {one.task}  {one.phase}{progress}  {extra}".rstrip()


def _containers(status: Status) -> str:
    return "no containers" if status.containers is None else f"containers by {status.containers}"


def _new_work(status: Status) -> str:
    if status.paused_because:
        count = len(status.reasons)
        return "; ".join(status.paused_because) if not count else "none is taken, for the reasons below"
    return "is taken" if status.link == "connected" else "none comes while the API can't be asked"
