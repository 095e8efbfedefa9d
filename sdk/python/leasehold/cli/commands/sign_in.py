"""``leasehold login``, ``logout`` and ``whoami``."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Literal

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import Api
from leasehold.cli.errors import CliError, NotSignedInError, WrongInputError
from leasehold.cli.options import JsonOption, TeamOption
from leasehold.cli.profile import (
    DEFAULT_TEAM,
    Environment,
    Profile,
    checked_url,
    load_profile,
    profile_file,
    save_profile,
)
from leasehold.cli.session import Session, ask_as, checked_token, read_secret, signed_in
from leasehold.cli.token_store import FileStore, TokenStore, recorded_store, working_keyring
from leasehold_protocol.v1.fleet import WhoAmI

StoreChoice = Literal["auto", "keyring", "file"]


def login(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="The address of the API, for example https://leasehold.example.org")
    ],
    token_file: Annotated[
        str | None,
        typer.Option("--token-file", help="Read the API token from this file; - is standard input.", metavar="PATH|-"),
    ] = None,
    team: TeamOption = None,
    store: Annotated[
        StoreChoice,
        typer.Option(
            envvar="LEASEHOLD_TOKEN_STORE",
            metavar="auto|keyring|file",
            help="Where to keep the token; auto: the keyring if a real one works.",
        ),
    ] = "auto",
) -> None:
    """Sign in: check the token with the API, and remember both.

    The token is asked for when no file is named. It is never taken from the command line, where others on this
    machine could read it.
    """
    url = checked_url(url)
    environment = Environment.read(os.environ)
    token = _token(token_file or environment.token_file)
    me = ask_as(Session(url=url, token=token, team=DEFAULT_TEAM), _whoami)
    chosen_team = team or me.team or DEFAULT_TEAM
    kept = _store(store, environment)
    kept.put(url, token)
    save_profile(environment.config_dir, Profile(url=url, team=chosen_team, token_store=kept.kind))
    screen.say(f"Signed in at {url} as {me.name} ({_role(me)}), team {chosen_team}.")
    screen.say(f"The token is kept in {kept.describe()}.", stderr=True)


def logout() -> None:
    """Forget the token and the address. The token itself stays good: an admin can revoke it."""
    environment = Environment.read(os.environ)
    profile = load_profile(environment.config_dir)
    if profile is None:
        screen.say("You were not signed in.")
        return
    try:
        recorded_store(profile.token_store, environment.config_dir).drop(profile.url)
    except CliError as error:
        screen.tell_error(error)
    profile_file(environment.config_dir).unlink(missing_ok=True)
    screen.say(f"Signed out from {profile.url}.")


def whoami(*, team: TeamOption = None, json: JsonOption = False) -> None:
    """Show where you are signed in, as whom, and what you may do."""
    session = signed_in(team)
    me = ask_as(session, _whoami)
    if json:
        screen.write_json(me)
        return
    screen.facts(
        [
            ("api", session.url),
            ("name", me.name),
            ("kind", me.kind),
            ("role", _role(me)),
            ("team", session.team),
            ("token ends", show_when(me.expires_at, now=screen.now())),
        ]
    )


async def _whoami(api: Api) -> WhoAmI:
    return await api.get("/v1/whoami", WhoAmI)


def _role(me: WhoAmI) -> str:
    if me.role is None:
        return "platform admin" if me.team is None else "no role"
    return me.role.value


def _token(source: str | None) -> str:
    if source is not None:
        return checked_token(read_secret(source))
    if not sys.stdin.isatty():
        raise WrongInputError("Where is the token?", "--token-file PATH, or --token-file - for standard input.")
    return checked_token(str(typer.prompt("API token", hide_input=True)))


def _store(choice: StoreChoice, environment: Environment) -> TokenStore:
    keyring = working_keyring() if choice != "file" else None
    if keyring is not None:
        return keyring
    if choice == "keyring":
        raise NotSignedInError("No keyring of this machine works.", "Use --store file: a file that only you can read.")
    return FileStore(environment.config_dir)
