"""What a running task is entitled to: what it declared, its site was granted, and only while its lease runs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from leasehold_api.errors import ApiError, LeaseLostError, NotFoundError
from leasehold_protocol.v1.problems import ProblemCode


class Verdict(StrEnum):
    """What a request by a task comes to."""

    GIVEN = "given"
    LEASE_LOST = "lease_lost"
    NOT_DECLARED = "not_declared"
    NOT_GRANTED = "not_granted"
    NOT_FOUND = "not_found"
    TOO_DEEP = "too_deep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that counts, read in one transaction."""

    lease_runs: bool
    """The task instance runs at the token's epoch, by the token's agent."""
    in_scope: bool
    """The task token has the scope."""
    declared: bool
    exists: bool
    granted: bool = True
    """Now, whatever it was when the token was issued. Variables are granted to every site of the team."""


def may_use(scopes: Collection[str], key: str, action: str) -> bool:
    """Say whether a task token's scopes let it ``read`` or ``write`` a variable: by its key, or by how it begins."""
    if f"variable:{key}:{action}" in scopes:
        return True
    return any(key.startswith(pattern[:-1]) for pattern in declared_keys(scopes, action) if pattern.endswith("*"))


def declared_keys(scopes: Collection[str], action: str) -> list[str]:
    """Return the keys, and patterns of keys, that a task token's scopes name."""
    begin, end = "variable:", f":{action}"
    return sorted(scope[len(begin) : -len(end)] for scope in scopes if scope.startswith(begin) and scope.endswith(end))


def judge(facts: Facts) -> Verdict:
    """Return the verdict. The lease comes first: whoever lost it learns nothing else."""
    if not facts.lease_runs:
        return Verdict.LEASE_LOST
    if not facts.in_scope and not facts.declared:
        return Verdict.NOT_DECLARED
    if not facts.exists:
        return Verdict.NOT_FOUND
    if not facts.in_scope or not facts.granted:
        return Verdict.NOT_GRANTED
    return Verdict.GIVEN


def refusal(verdict: Verdict, *, kind: str, name: str, task: str) -> ApiError:
    """Return the error for a verdict other than given; ``kind`` is ``connection`` or ``variable``."""
    match verdict:
        case Verdict.LEASE_LOST:
            return LeaseLostError("the lease of this attempt is over, or another attempt has it: stop at once")
        case Verdict.NOT_DECLARED:
            return ApiError(
                f"task {task} did not declare the {kind} {name}: add {kind}s=[{name!r}] to the task and deploy again",
                code=ProblemCode.NOT_DECLARED,
            )
        case Verdict.NOT_GRANTED:
            return ApiError(
                f"this site is not granted the {kind} {name}: an admin of the team can add the site to its sites",
                code=ProblemCode.NOT_GRANTED,
            )
        case _:
            return NotFoundError(f"the team has no {kind} {name}: set it with 'leasehold {kind}s set'")
