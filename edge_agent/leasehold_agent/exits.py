"""The exit codes of ``edge-agent``, documented and stable, and the error that carries one to the operator."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How ``edge-agent`` ended, for scripts and service managers."""

    OK = 0
    INTERNAL = 1
    """A defect of the agent."""
    USAGE = 2
    """Wrong arguments or settings."""
    NOT_ENROLLED = 3
    TOKEN_REFUSED = 4
    """The enrolment token is mistyped, unknown, used, expired or revoked."""
    UNREACHABLE = 5
    """The API could not be reached, or what answered is not a Leasehold API."""
    IN_USE = 6
    """Another agent process runs on this state directory."""
    LOCKED = 7
    """An admin, or clone detection, locked this agent."""
    KEY_STORE = 8
    """The store that keeps the agent's key can't be reached."""
    ALREADY_ENROLLED = 9
    REFUSED = 10
    """The API refused for a reason that trying again does not change."""
    NOT_FOUND = 11
    """No such attempt on this disk."""
    NOT_RUNNING = 12
    """No agent runs on this state directory."""
    POLICY = 13
    """The site's policy has mistakes, or does not let the task run that was asked about."""
    NOT_INSTALLED = 14
    """Nothing was installed, or removed; what was there before is as it was."""
    UPDATE = 15
    """An update did not work; the version that ran before still runs. Or a pack did not; nothing was changed."""
    UNTRUSTED = 16
    """What the update repository says is not signed by whom this installation trusts, or is out of date."""


class OperatorError(Exception):
    """Something the operator can put right. It is shown as two lines, never as a traceback.

    Args:
        exit_code: what the process ends with.
        cause: what happened, one sentence.
        cure: what to do about it, one sentence.
    """

    def __init__(self, exit_code: Exit, cause: str, cure: str) -> None:
        super().__init__(cause)
        self.exit_code = exit_code
        self.cause = cause
        self.cure = cure
