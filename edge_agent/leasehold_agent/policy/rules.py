"""Whether the site's policy lets a task run. Pure: what is asked and what is allowed are arguments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from leasehold_agent.host.allowed import ProgramRule, program_refusal
from leasehold_agent.host.patterns import matches
from leasehold_agent.policy.model import Policy
from leasehold_agent.policy.quantities import shown
from leasehold_agent.policy.signers import Signed, concerns, signature_refusal

END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a task is, and what it wants."""

    team: str
    dag: str
    task: str
    runtime: str
    connections: Sequence[str] = ()
    variables: Sequence[str] = ()
    timeout_s: float | None = None
    max_offline_s: float = 300.0
    program: Sequence[str] | None = None
    """Absolute path and arguments, when they are known before the task starts."""
    sets: Sequence[str] = field(default_factory=tuple[str, ...])
    """Environment variables that the author sets for the program."""
    image: str | None = None
    """Of a container."""
    signed: Signed = None
    """What came of its signature."""
    at: datetime = END_OF_TIME
    """When it would start; left out, every signature that ends has ended."""


def refusals(policy: Policy, asked: Asked) -> list[str]:
    """Return everything for which the task may not run here; empty when it may."""
    found: list[str] = []
    if asked.runtime not in policy.runtimes:
        found.append(f"{asked.runtime} tasks are not allowed")
    found += _unnamed("team", [asked.team], policy.teams)
    found += _unnamed("DAG", [asked.dag], policy.dags)
    signers = policy.signers
    if signers is not None and concerns(signers, team=asked.team, dag=asked.dag):
        reason = signature_refusal(signers, asked.signed, asked.at)
        found += [] if reason is None else [reason]
    found += _unnamed("connection", asked.connections, policy.connections)
    found += _unnamed("variable", asked.variables, policy.variables)
    if asked.program is not None and asked.runtime in policy.runtimes:
        path, *arguments = asked.program
        if reason := program_refusal(program_rules(policy), path, arguments, asked.sets):
            found.append(reason)
    if asked.image is not None and asked.runtime in policy.runtimes:
        found += _unnamed("image", [asked.image], policy.images)
    return found + _too_long(policy, asked)


def allows_connection(policy: Policy, name: str) -> bool:
    """Say whether a running task may read a connection."""
    return not _unnamed("connection", [name], policy.connections)


def allows_variable(policy: Policy, key: str) -> bool:
    """Say whether a running task may read or write a variable."""
    return not _unnamed("variable", [key], policy.variables)


def program_rules(policy: Policy) -> list[ProgramRule]:
    """Return the programs that may run, as the attempt host understands them."""
    return [
        ProgramRule(
            path=one.path,
            args=None if one.args is None else tuple(tuple(patterns) for patterns in one.args),
            env=tuple(one.env),
        )
        for one in policy.programs
    ]


def _unnamed(what: str, names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    return [
        f"the {what} {name} is not allowed" for name in names if not any(matches(pattern, name) for pattern in patterns)
    ]


def _too_long(policy: Policy, asked: Asked) -> list[str]:
    found: list[str] = []
    limits = policy.limits
    if limits.timeout is not None and asked.timeout_s is not None and asked.timeout_s > limits.timeout:
        found.append(f"its timeout of {shown(asked.timeout_s)} is over the longest allowed, {shown(limits.timeout)}")
    if limits.max_offline is not None and asked.max_offline_s > limits.max_offline:
        found.append(
            f"its max_offline of {shown(asked.max_offline_s)} is over the longest allowed, {shown(limits.max_offline)}"
        )
    return found
