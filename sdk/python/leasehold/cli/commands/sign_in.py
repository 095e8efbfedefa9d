"""``leasehold login``, ``logout`` and ``whoami``."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import Api
from leasehold.cli.authority import Authority
from leasehold.cli.credentials import ApiToken
from leasehold.cli.entering import enter_with_browser, enter_with_code
from leasehold.cli.errors import CliError, NotSignedInError, WrongInputError
from leasehold.cli.kept_sign_in import KeptSignIn, read_sign_in
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
        typer.Option("--token-file", help="Read an API token from this file; - is standard input.", metavar="PATH|-"),
    ] = None,
    *,
    browser: Annotated[bool, typer.Option("--browser", help="Open the browser of this machine, type no code.")] = False,
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
    """Sign in, and remember where.

    Shows an address and a code: open the one in a browser, type the other there, and this command goes on. With
    --browser it opens the browser itself. Programs sign in with an API token, from a file; it is never taken from the
    command line, where others on this machine could read it.
    """
    url = checked_url(url)
    environment = Environment.read(os.environ)
    source = token_file or environment.token_file
    if source is not None and browser:
        raise WrongInputError("--browser and a token file do not go together.", "Leave one of them out.")
    chosen = _store(store, environment)
    kept = _enter(url, browser=browser) if source is None else checked_token(read_secret(source))
    token = kept if isinstance(kept, str) else kept.access_token
    me = ask_as(Session(url=url, credentials=ApiToken(token), team=DEFAULT_TEAM), _whoami)
    chosen_team = team or me.team or DEFAULT_TEAM
    chosen.put(url, kept if isinstance(kept, str) else kept.text)
    save_profile(environment.config_dir, Profile(url=url, team=chosen_team, token_store=chosen.kind))
    screen.say(f"Signed in at {url} as {me.name} ({_role(me)}), team {chosen_team}.")
    screen.say(f"The token is kept in {chosen.describe()}.", stderr=True)


def _enter(url: str, *, browser: bool) -> KeptSignIn:
    with Authority(url) as authority:
        authority.check_address()
        return enter_with_browser(authority) if browser else enter_with_code(authority)


def logout() -> None:
    """Sign out: end the sign-in at the API, and forget it here. An API token stays good: an admin can revoke it."""
    environment = Environment.read(os.environ)
    profile = load_profile(environment.config_dir)
    if profile is None:
        screen.say("You were not signed in.")
        return
    try:
        kept = recorded_store(profile.token_store, environment.config_dir)
        _give_back(profile.url, read_sign_in(kept.get(profile.url) or ""))
        kept.drop(profile.url)
    except CliError as error:
        screen.tell_error(error)
    profile_file(environment.config_dir).unlink(missing_ok=True)
    screen.say(f"Signed out from {profile.url}.")


def _give_back(url: str, kept: KeptSignIn | None) -> None:
    if kept is None:
        return
    try:
        with Authority(url) as authority:
            authority.revoke(kept)
    except CliError as error:
        screen.tell_error(error)
        screen.say(
            "The sign-in could not be ended at the API: it ends by itself when it is not used for 30 days.", stderr=True
        )


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
            *((f"role in {name}", role.value) for name, role in me.roles.items() if len(me.roles) > 1),
            ("team", session.team),
            ("sign-in ends" if me.kind == "user" else "token ends", show_when(me.expires_at, now=screen.now())),
        ]
    )


async def _whoami(api: Api) -> WhoAmI:
    return await api.get("/v1/whoami", WhoAmI)


def _role(me: WhoAmI) -> str:
    if me.role is not None:
        return me.role.value
    if me.kind == "platform_admin":
        return "platform admin"
    return f"roles in {len(me.roles)} teams" if me.roles else "no role"


def _store(choice: StoreChoice, environment: Environment) -> TokenStore:
    keyring = working_keyring() if choice != "file" else None
    if keyring is not None:
        return keyring
    if choice == "keyring":
        raise NotSignedInError("No keyring of this machine works.", "Use --store file: a file that only you can read.")
    return FileStore(environment.config_dir)
