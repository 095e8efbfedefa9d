"""Enrolment tokens as an operator hands them over: read from wherever they are, recognised before any request."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.secret import Secret

VARIABLE = "LEASEHOLD_AGENT_ENROLMENT_TOKEN"
_FORM = re.compile(r"enr_[0-9a-f]{12}\.[A-Za-z0-9_-]{43}")
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class EnrolmentToken:
    """A text of the right form. Whether the API accepts it, only the API knows."""

    text: Secret

    @property
    def public_id(self) -> str:
        """The part that is no secret: what an admin sees in the list of tokens."""
        return self.text.reveal().partition(".")[0]


def parse(text: str) -> EnrolmentToken:
    """Return the token that ``text`` is, white space around it forgiven.

    Raises:
        OperatorError: it is mistyped; the message says how, and never repeats it.
    """
    token = text.strip()
    if not _FORM.fullmatch(token):
        raise OperatorError(
            Exit.TOKEN_REFUSED,
            f"This is not an enrolment token: {_what_is_wrong(token)}.",
            "Copy it again, whole: enr_, 12 hexadecimal digits, a dot, 43 letters or digits. Nothing was sent.",
        )
    return EnrolmentToken(Secret(token))


def _what_is_wrong(token: str) -> str:
    if not token:
        return "it is empty"
    if token.startswith("lht_"):
        return "it begins with lht_, so it is an API token"
    if not token.startswith("enr_"):
        return "it does not begin with enr_"
    if any(char.isspace() for char in token):
        return "there is white space inside it"
    if len(token) != 60:
        return f"it has {len(token)} characters instead of 60"
    return "it has a character that no token has"


def is_given(flag: str | None, file: str | None, environ: Mapping[str, str]) -> bool:
    """Say whether there is a token in one of the places that ``find`` looks at."""
    return flag is not None or file is not None or bool(environ.get(VARIABLE))


def find(flag: str | None, file: str | None, environ: Mapping[str, str]) -> EnrolmentToken:
    """Return the token from ``--token``, ``--token-file`` or the environment, in this order.

    Either flag takes ``-`` for standard input, ``file://path`` and ``fd://number``.

    Raises:
        OperatorError: there is none, it can't be read, or it is mistyped.
    """
    if flag is not None:
        return parse(_read(flag) if flag == "-" or "://" in flag else flag)
    if file is not None:
        return parse(_read(file))
    if text := environ.get(VARIABLE):
        return parse(_read(text) if "://" in text else text)
    raise OperatorError(
        Exit.USAGE,
        "No enrolment token was given.",
        f"Pass --token-file FILE (or - for standard input), --token, or set {VARIABLE}. "
        "An operator makes one with: leasehold tokens issue SITE. Without a token: --device, or --prepare.",
    )


def _read(source: str) -> str:
    """Return what a file, a file descriptor or standard input holds, up to a length no token has."""
    try:
        if source == "-":
            return sys.stdin.read(_LONGEST)
        if source.startswith("fd://"):
            with os.fdopen(int(source.removeprefix("fd://")), "r", encoding="utf-8") as file:
                return file.read(_LONGEST)
        with Path(source.removeprefix("file://")).open(encoding="utf-8") as file:
            return file.read(_LONGEST)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not readable text"
        raise OperatorError(
            Exit.USAGE,
            f"The enrolment token could not be read from {source}: {reason}.",
            "Give a file that this user may read, - for standard input, or fd://N for an open descriptor.",
        ) from error
