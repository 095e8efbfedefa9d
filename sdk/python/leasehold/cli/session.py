"""One command's session: whose API, as whom, for which team; and the way every command asks the API something."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from leasehold.cli.api import Api
from leasehold.cli.credentials import ApiToken, Credentials, SignedInPerson
from leasehold.cli.errors import CliError, NotSignedInError, WrongInputError
from leasehold.cli.kept_sign_in import read_sign_in
from leasehold.cli.profile import DEFAULT_TEAM, Environment, Profile, checked_url, load_profile
from leasehold.cli.token_store import recorded_store

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Where the person is signed in, for the length of one command."""

    url: str
    credentials: Credentials = field(repr=False)
    team: str

    def api(self) -> Api:
        """Return the API of this session, not yet connected."""
        return Api(url=self.url, credentials=self.credentials, team=self.team)


def signed_in(team: str | None = None) -> Session:
    """Return the session that the environment and the last ``login`` make.

    Args:
        team: what ``--team`` said; wins over everything.

    Raises:
        NotSignedInError: if there is no address or no token for it.
    """
    environment = Environment.read(os.environ)
    profile = load_profile(environment.config_dir)
    url = environment.url or (profile.url if profile else None)
    if url is None:
        raise NotSignedInError(
            "You are not signed in.", "leasehold login URL, or set LEASEHOLD_URL and LEASEHOLD_TOKEN."
        )
    url = checked_url(url)
    token = _token_from(environment)
    credentials = ApiToken(token) if token is not None else _kept(environment, profile, url)
    remembered = profile.team if profile and profile.url == url else DEFAULT_TEAM
    return Session(url=url, credentials=credentials, team=team or environment.team or remembered)


def _kept(environment: Environment, profile: Profile | None, url: str) -> Credentials:
    store = recorded_store(profile.token_store if profile else "file", environment.config_dir)
    text = store.get(url)
    if text is None:
        raise NotSignedInError(f"You are not signed in at {url}.", f"leasehold login {url}")
    kept = read_sign_in(text)
    if kept is None:
        return ApiToken(text)
    return SignedInPerson(kept, store=store, url=url, directory=environment.config_dir)


def _token_from(environment: Environment) -> str | None:
    if environment.token is not None:
        return checked_token(environment.token)
    if environment.token_file is not None:
        return checked_token(read_secret(environment.token_file))
    return None


def read_secret(source: str) -> str:
    """Return a secret from a file, or from standard input when ``source`` is ``-``; without the newline at its end.

    Raises:
        WrongInputError: if it cannot be read or is no text.
    """
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except OSError as error:
        raise WrongInputError(f"Cannot read {source}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise WrongInputError(f"{source} is not a text file (UTF-8).") from error
    return text.removesuffix("\n").removesuffix("\r")


def checked_token(text: str) -> str:
    """Return an API token as it was meant: without white space around it.

    Raises:
        WrongInputError: if no token can look like this; the text itself is never repeated.
    """
    token = text.strip()
    if not token:
        raise WrongInputError("The token is empty.")
    if token.startswith("enr_"):
        raise WrongInputError(
            "This is an enrolment token: it lets an edge agent in, not a person.",
            "Ask an admin for an API token (leasehold api-tokens create).",
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise WrongInputError("This is not a token: it has white space or unusual characters inside.")
    return token


def ask(work: Callable[[Api], Awaitable[T]], *, team: str | None = None) -> T:
    """Sign in, do ``work`` with the API and return what it returns."""
    return ask_as(signed_in(team), work)


def ask_as(session: Session, work: Callable[[Api], Awaitable[T]]) -> T:
    """Do ``work`` with the API of ``session``.

    Raises:
        CliError: the first of those that went wrong, also when several things were going on at once.
    """

    async def connected() -> T:
        async with session.api() as api:
            return await work(api)

    try:
        return asyncio.run(connected())
    except BaseExceptionGroup as group:
        raise first_cause(group) from group


def first_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error a person should read: their own kind first, else whatever came first."""
    ours = group.subgroup(CliError)
    error: BaseException = ours if ours is not None else group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
