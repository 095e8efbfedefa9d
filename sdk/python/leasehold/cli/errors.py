"""What can go wrong for the person at the keyboard, sorted by what they do next. Each kind has its own exit code."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit codes of ``leasehold``; stable, so that scripts may decide by them."""

    OK = 0
    FAILED = 1  # the thing asked about failed: a watched run, a checked file
    USAGE = 2  # the command line, or a value in it
    REFUSED = 3  # not signed in, or not allowed
    UNREACHABLE = 4  # no Leasehold API answers: refused, TLS, wrong URL, overloaded
    CONFLICT = 5  # not there, or there already, or in the way
    INTERRUPTED = 130  # Ctrl-C


class CliError(Exception):
    """A command could not do what it was asked; ``cause`` says why, ``cure`` what to do about it."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init__(self, cause: str, cure: str | None = None) -> None:
        super().__init__(cause)
        self.cause = cause
        self.cure = cure


class FailedError(CliError):
    """What was asked about is known, and it failed."""


class WrongInputError(CliError):
    """Type it differently."""

    exit_code = ExitCode.USAGE


class NotSignedInError(CliError):
    """Sign in (again)."""

    exit_code = ExitCode.REFUSED


class RefusedError(CliError):
    """Ask somebody who may."""

    exit_code = ExitCode.REFUSED


class UnreachableError(CliError):
    """Look at the network, the address or the API; the same command may work later."""

    exit_code = ExitCode.UNREACHABLE


class NotFoundError(CliError):
    """Look which ones there are."""

    exit_code = ExitCode.CONFLICT


class ConflictError(CliError):
    """Something that exists stands in the way."""

    exit_code = ExitCode.CONFLICT
