"""``leasehold users``: the people who may sign in."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import ValidationError

from leasehold.cli import screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import Api, rows
from leasehold.cli.errors import WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.options import JsonOption, group, pairs
from leasehold.cli.session import ask
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.people import (
    PlatformAdminWrite,
    SignInLink,
    User,
    UserInvite,
    UserList,
    UserLock,
)

app = group("Users: the people who may sign in (platform admins).")

UserArgument = Annotated[str, typer.Argument(help="The user's name.", metavar="USER")]


@app.command("list", epilog=examples("leasehold users list"))
def list_users(*, json: JsonOption = False) -> None:
    """List the people who may sign in, and their roles."""
    users = ask(lambda api: rows(api.pages("/v1/users", UserList)))
    if json:
        screen.write_json(users)
        return
    now = screen.now()
    screen.table(
        ["user", "signs in by", "roles", "state", "last sign-in", "made by"],
        [
            (
                user.name,
                user.signs_in_by.value,
                _roles(user),
                screen.state("locked") if user.locked_because else "",
                show_when(user.last_sign_in_at, now=now),
                user.created_by,
            )
            for user in users
        ],
        empty="There is no user yet. Invite one: leasehold users invite NAME --role default=author",
    )


@app.command("show", epilog=examples("leasehold users show author-1"))
def show(user: UserArgument, *, json: JsonOption = False) -> None:
    """Show one user."""

    async def work(api: Api) -> User:
        return await api.get(api.of_users(user), User)

    found = ask(work)
    if json:
        screen.write_json(found)
        return
    now = screen.now()
    screen.facts(
        [
            ("user", found.name),
            ("id", found.id),
            ("e-mail", found.email or ""),
            ("signs in by", found.signs_in_by.value),
            ("roles", _roles(found)),
            ("locked because", found.locked_because or ""),
            ("made", " by ".join(filter(None, [show_when(found.created_at, now=now), found.created_by]))),
            ("last sign-in", show_when(found.last_sign_in_at, now=now)),
        ]
    )


@app.command(
    "invite",
    epilog=examples(
        "leasehold users invite author-1 --role default=author",
        "leasehold users invite chief-1 --platform-admin",
    ),
)
def invite(
    user: Annotated[str, typer.Argument(help="What they will sign in with; an e-mail address fits.", metavar="USER")],
    *,
    role: Annotated[
        list[str] | None, typer.Option("--role", help="A role in a team; repeat for more.", metavar="TEAM=ROLE")
    ] = None,
    email: Annotated[str | None, typer.Option("--email", help="Where to reach them.", metavar="ADDRESS")] = None,
    platform_admin: Annotated[
        bool, typer.Option("--platform-admin", help="They may do everything in every team.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make a user, and a one-time link with which they choose their password."""
    roles = _wanted_roles(role or [])
    try:
        wanted = UserInvite(name=user, email=email, is_platform_admin=platform_admin, roles=roles)
    except ValidationError:
        raise WrongInputError(f"{user!r} can't be a user's name.", "Take letters, digits and . _ @ + - only.") from None

    async def work(api: Api) -> SignInLink:
        return await api.send("POST", "/v1/users", wanted, SignInLink)

    _hand_over(ask(work), json=json)


@app.command("reset", epilog=examples("leasehold users reset author-1"))
def reset(user: UserArgument, *, json: JsonOption = False) -> None:
    """Make a one-time link with which a user chooses a new password."""

    async def work(api: Api) -> SignInLink:
        return await api.create(api.of_users(user, "reset"), SignInLink)

    _hand_over(ask(work), json=json)


@app.command("lock", epilog=examples("leasehold users lock author-1 --reason 'left the company'"))
def lock(
    user: UserArgument,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; the user sees it.")] = "locked by an admin",
) -> None:
    """Lock a user: their sessions and tokens end at once."""

    async def work(api: Api) -> None:
        await api.post(api.of_users(user, "lock"), UserLock(reason=reason))

    ask(work)
    screen.say(f"User {user} is locked. Let them in again: leasehold users unlock {user}")


@app.command("unlock", epilog=examples("leasehold users unlock author-1"))
def unlock(user: UserArgument) -> None:
    """Let a locked user sign in again."""

    async def work(api: Api) -> None:
        await api.post(api.of_users(user, "unlock"))

    ask(work)
    screen.say(f"User {user} is unlocked.")


@app.command("platform-admin", epilog=examples("leasehold users platform-admin chief-1 --no"))
def platform_admin(
    user: UserArgument,
    *,
    wanted: Annotated[bool, typer.Option("--yes/--no", help="Make them one, or no longer.")] = True,
) -> None:
    """Make somebody a platform admin, or no longer one."""

    async def work(api: Api) -> User:
        path = api.of_users(user, "platform-admin")
        return await api.send("PUT", path, PlatformAdminWrite(is_platform_admin=wanted), User)

    found = ask(work)
    screen.say(f"User {found.name} is {'a' if found.is_platform_admin else 'no'} platform admin.")


@app.command("remove", epilog=examples("leasehold users remove author-1"))
def remove(user: UserArgument) -> None:
    """Remove a user, with their sessions, tokens and roles. What they did stays in the audit trail."""

    async def work(api: Api) -> None:
        await api.delete(api.of_users(user))

    ask(work)
    screen.say(f"User {user} is removed.")


def _hand_over(made: SignInLink, *, json: bool) -> None:
    if json:
        screen.write_json(made)
        return
    screen.say(f"A one-time link for {made.user}, shown only now. Whoever opens it first is {made.user}:")
    screen.say("")
    screen.say(f"  {made.link}")
    screen.say("")
    screen.say(f"It works once, until {made.expires_at:%Y-%m-%d %H:%M} UTC.")


def _roles(user: User) -> str:
    roles = [f"{team}={role.value}" for team, role in user.roles.items()]
    return ", ".join(["platform admin", *roles] if user.is_platform_admin else roles)


def _wanted_roles(words: list[str]) -> dict[str, Role]:
    roles = {}
    for team, role in pairs(words, option="--role").items():
        if role not in list(Role):
            raise WrongInputError(f"There is no role {role!r}.", f"Take one of {', '.join(Role)}.")
        roles[team] = Role(role)
    return roles
