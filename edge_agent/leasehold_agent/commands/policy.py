"""``edge-agent policy``: check the site's policy, ask it about a task, print an example."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from leasehold.durations import seconds
from leasehold_agent.commands.settings import settings_from
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.host.allowed import resolved
from leasehold_agent.policy.example import EXAMPLE
from leasehold_agent.policy.file import DEFAULT_FILE
from leasehold_agent.policy.hours import HoursNow, hours_at
from leasehold_agent.policy.model import Policy, Signers
from leasehold_agent.policy.quantities import shown
from leasehold_agent.policy.reading import Reading, fingerprint, read_policy
from leasehold_agent.policy.rules import Asked, refusals
from leasehold_agent.policy.signers import SignedBy
from leasehold_protocol.signed.keys import public_bytes

_MIB = 1024 * 1024


def init(arguments: Namespace) -> Exit:
    """Print an example."""
    del arguments
    sys.stdout.write(EXAMPLE)
    return Exit.OK


def check(arguments: Namespace) -> Exit:
    """Name every mistake of a policy, or say what it allows."""
    path = _path(arguments)
    if path is None:
        _write(
            arguments, {"file": None, "mistakes": []}, ["There is no policy: whatever the API hands out may run here."]
        )
        return Exit.OK
    found = read_policy(path)
    document = {
        "file": str(path),
        "fingerprint": None if found.policy is None else fingerprint(found.policy),
        "mistakes": [{"line": mistake.line, "text": mistake.text} for mistake in found.mistakes],
        "doubts": list(found.doubts),
        "policy": None if found.policy is None else found.policy.model_dump(mode="json"),
    }
    _write(arguments, document, list(_report(path, found)))
    return Exit.POLICY if found.mistakes else Exit.OK


def explain(arguments: Namespace) -> Exit:
    """Say whether a task would run here, and why not."""
    path, now = _path(arguments), _moment(arguments.at, "--at")
    asked = _asked(arguments, now)
    reasons: list[str] = []
    if path is not None:
        found = read_policy(path)
        if found.policy is None:
            reasons = [f"the policy can't be used, so nothing may run: {mistake}" for mistake in found.mistakes]
        else:
            reasons = refusals(found.policy, asked)
            hours = _hours(found.policy, now)
            if hours is not None and not hours.is_open:
                reasons.append(f"outside working hours until {_local(hours.until, found.policy)}")
    name = f"{asked.dag}.{asked.task}"
    lines = (
        [f"{name} would not run here:", *(f"  {reason}" for reason in reasons)]
        if reasons
        else [f"{name} would run here."]
    )
    _write(arguments, {"file": path and str(path), "runs": not reasons, "reasons": reasons}, lines)
    return Exit.POLICY if reasons else Exit.OK


def _path(arguments: Namespace) -> Path | None:
    """Return the file that is meant; none when there is no policy."""
    if arguments.file is not None:
        return Path(arguments.file).absolute()
    named = settings_from(arguments).settings.policy_file
    return named or (DEFAULT_FILE if os.path.lexists(DEFAULT_FILE) else None)


def _asked(arguments: Namespace, now: datetime) -> Asked:
    program = list(arguments.program)
    if program:
        found = resolved(program[0], search_path=os.environ.get("PATH"), cwd="/")
        if found is None:
            raise OperatorError(Exit.USAGE, f"There is no program {program[0]!r} on this machine.", "Give its path.")
        program[0] = found
    try:
        return Asked(
            team=arguments.team,
            dag=arguments.dag,
            task=arguments.task,
            runtime=arguments.runtime or ("program" if program else "container" if arguments.image else "python"),
            image=arguments.image,
            connections=arguments.connection,
            variables=arguments.variable,
            timeout_s=None if arguments.timeout is None else seconds(arguments.timeout),
            max_offline_s=seconds(arguments.max_offline),
            program=program or None,
            sets=arguments.sets,
            signed=_signed(arguments, now),
            at=now,
        )
    except ValueError as error:
        raise OperatorError(Exit.USAGE, f"{error}.", "Correct --timeout or --max-offline.") from None


def _signed(arguments: Namespace, now: datetime) -> SignedBy | None:
    if arguments.signed_by is None:
        if arguments.signed_at is not None:
            raise OperatorError(Exit.USAGE, "--signed-at is about a signature.", "Add --signed-by KEY.")
        return None
    try:
        public_bytes(arguments.signed_by)
    except ValueError as error:
        raise OperatorError(
            Exit.USAGE, f"--signed-by {arguments.signed_by!r}: {error}.", "Copy the whole line."
        ) from None
    signed_at = now if arguments.signed_at is None else _moment(arguments.signed_at, "--signed-at")
    return SignedBy(key=arguments.signed_by, signed_at=signed_at)


def _moment(text: str | None, option: str) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        cure = "Write it like 2026-11-22T22:00+01:00."
        raise OperatorError(Exit.USAGE, f"{option} {text!r} is not a time.", cure) from None


def _hours(policy: Policy, now: datetime) -> HoursNow | None:
    if policy.hours is None:
        return None
    return hours_at(policy.hours.rules(), ZoneInfo(policy.hours.timezone), now)


def _local(moment: datetime, policy: Policy) -> str:
    zone = None if policy.hours is None else ZoneInfo(policy.hours.timezone)
    return moment.astimezone(zone).strftime("%a %Y-%m-%d %H:%M %Z")


def _write(arguments: Namespace, document: object, lines: list[str]) -> None:
    sys.stdout.write(
        (json.dumps(document, indent=2, ensure_ascii=False) if arguments.json else "\n".join(lines)) + "\n"
    )


def _report(path: Path, found: Reading) -> Iterator[str]:
    if found.policy is None:
        count = len(found.mistakes)
        yield f"{path} can't be used; with it nothing may run. {count} mistake{'s' if count > 1 else ''}:"
        for mistake in found.mistakes:
            yield f"  {mistake}"
        return
    yield f"{path} can be used. It allows:"
    yield from (f"  {line}" for line in _summary(found.policy))
    for doubt in found.doubts:
        yield f"  note: {doubt}"


def _summary(policy: Policy) -> Iterator[str]:
    for name in ("runtimes", "teams", "dags", "connections", "variables"):
        yield f"{name:<12} {', '.join(getattr(policy, name)) or 'none'}"
    yield f"{'programs':<12} {', '.join(one.path for one in policy.programs) or 'none'}"
    if policy.images:
        yield f"{'images':<12} {', '.join(policy.images)}"
    if (signers := policy.signers) is not None:
        yield f"{'signers':<12} {_signers(signers)}"
    if (hours := policy.hours) is not None:
        windows = "; ".join(f"{one.start} for {shown(one.duration)}" for one in hours.windows)
        yield f"{'hours':<12} {windows} ({hours.timezone}); at the end running attempts {hours.at_end}"
    if limits := "; ".join(_limits(policy)):
        yield f"{'limits':<12} {limits}"


def _signers(signers: Signers) -> str:
    whose = f"DAGs {', '.join(signers.dags) or 'none'} of teams {', '.join(signers.teams) or 'none'}"
    age = "" if signers.max_age is None else f", at most {shown(signers.max_age)} ago"
    must = "must be signed" if signers.required else "may be signed or not; what is signed must be"
    return f"{whose} {must}{age} by {', '.join(signers.keys) or 'nobody'}"


def _limits(policy: Policy) -> Iterator[str]:
    limits = policy.limits
    if limits.slots is not None:
        yield f"{limits.slots} slots"
    for name, amount in (
        ("memory per process", limits.memory_per_process),
        ("log", limits.log),
        ("spool", limits.spool),
    ):
        if amount is not None:
            yield f"{name} {amount / _MIB:g} MiB"
    for name, length in (("timeout", limits.timeout), ("max_offline", limits.max_offline)):
        if length is not None:
            yield f"{name} {shown(length)}"
