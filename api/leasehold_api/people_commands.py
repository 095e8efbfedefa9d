"""``leasehold-api users`` and ``check-oidc``: what has to be done on the server, before anybody can sign in."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from leasehold_api import clock
from leasehold_api.acting import By
from leasehold_api.config import Settings, SettingsError
from leasehold_api.errors import ApiError
from leasehold_api.noted_address import address_of
from leasehold_api.opaque_tokens import mint
from leasehold_api.people.choice import CALLBACK, provider_of
from leasehold_api.people.group_roles import GroupRoles
from leasehold_api.people.links import BOOTSTRAP_LASTS_S, address_of_link
from leasehold_api.people.provider import Provider, ProviderError
from leasehold_api.terminal import (
    EXIT_DATABASE,
    EXIT_FAILED,
    EXIT_SETTINGS,
    EXIT_USAGE,
    DatabaseUrl,
    StateDir,
    console,
    database_trouble,
    fail,
    settings_from,
)

users = typer.Typer(help="The first platform admin.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="For programs.")]

_NAME = re.compile(r"[a-z0-9_][a-z0-9_.@+\-]{0,127}")


@users.command("bootstrap-link")
def bootstrap_link(
    *,
    name: Annotated[str, typer.Option(help="What the platform admin will sign in with.")] = "admin",
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    public_url: Annotated[str | None, typer.Option(help="The address that people use.")] = None,
    as_json: Json = False,
) -> None:
    """Make a one-time link with which a platform admin chooses a password, without any token. Good for an hour.

    Its address is public_url, or where the service was last started from this state directory.

    Example: leasehold-api users bootstrap-link --state-dir /var/lib/leasehold-api --name chief-1
    """
    name = name.lower()
    if not _NAME.fullmatch(name):
        fail(f"{name!r} can't be a name: take letters, digits and . _ @ + - only", EXIT_USAGE)
    settings = settings_from(state_dir=state_dir, database_url=database_url, public_url=public_url)
    if not settings.local_sign_in:
        fail("local_sign_in is off: platform admins come from the provider's groups (oidc_roles)", EXIT_SETTINGS)
    link = _kept(settings, name)
    if as_json:
        sys.stdout.write(json.dumps({"user": name, "link": link, "expires_in_s": BOOTSTRAP_LASTS_S}) + "\n")
        return
    sys.stdout.write(link + "\n")
    console.print(f"Open this link within the hour; whoever opens it first is the platform admin {name}.")


def check_oidc(*, state_dir: StateDir = None, as_json: Json = False) -> None:
    """Ask the OIDC provider of the settings for its metadata and keys, and say what is wrong; exit 1 if anything is.

    Example: leasehold-api check-oidc --state-dir /var/lib/leasehold-api
    """
    settings = settings_from(state_dir=state_dir)
    provider = provider_of(settings)
    if provider is None:
        fail("no OIDC provider is set: oidc_issuer and oidc_client_id", EXIT_SETTINGS)
    try:
        teams = sorted({entry.team for entry in GroupRoles(settings.oidc_roles).entries} - {"*"})
    except SettingsError as error:
        fail(str(error), EXIT_SETTINGS)
    facts, wrong = asyncio.run(_asked(provider))
    facts = {
        **facts,
        "redirect address": address_of(settings) + CALLBACK,
        "teams in oidc_roles": ", ".join(teams) or "none: everybody gets an account, without any role",
    }
    if as_json:
        sys.stdout.write(json.dumps({"good": not wrong, "wrong": wrong, **facts}) + "\n")
    else:
        _show(facts, wrong)
    if wrong:
        raise typer.Exit(EXIT_FAILED)


async def _asked(provider: Provider) -> tuple[dict[str, str], list[str]]:
    facts = {"issuer": provider.registration.issuer}
    try:
        metadata = await provider.metadata()
        facts |= {
            "sign-in page": metadata.authorization_endpoint,
            "ID tokens signed with": ", ".join(metadata.algorithms),
            "keys": str(await provider.count_keys()),
            "userinfo": metadata.userinfo_endpoint or "none: groups must be in the ID token",
        }
        provider.secret()
    except ProviderError as error:
        return facts, [str(error)]
    finally:
        await provider.close()
    return facts, []


def _show(facts: dict[str, str], wrong: Sequence[str]) -> None:
    out = Console(soft_wrap=True, highlight=False)
    for name, value in facts.items():
        out.print(f"{name}: {value}", markup=False)
    for text in wrong:
        console.print(f"[bold red]wrong:[/] {text}", highlight=False)
    if not wrong:
        out.print("The provider can be used. Register the redirect address there, to the letter.")


def _kept(settings: Settings, name: str) -> str:
    """Keep the hash of a new link; return the link."""
    from sqlalchemy.exc import SQLAlchemyError

    from leasehold_api.storage.database import make_engine
    from leasehold_api.storage.migrate import NewerDatabaseError, migrate
    from leasehold_api.storage.sql_local_sign_in import bootstrap_link as keep
    from leasehold_api.storage.writer import Transaction

    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    code, by = mint("lnk"), By(actor="leasehold", at=clock.now())
    try:
        engine = make_engine(settings.database())
        migrate(engine)
        with engine.begin() as connection:
            keep(Transaction(connection), name, user_id=clock.new_id("usr"), link=code, by=by)
        engine.dispose()
    except ApiError as error:
        fail(error.detail, EXIT_FAILED)
    except (NewerDatabaseError, ValueError) as error:
        fail(str(error), EXIT_DATABASE)
    except SQLAlchemyError as error:
        fail(database_trouble(error), EXIT_DATABASE)
    return address_of_link(address_of(settings), code)
