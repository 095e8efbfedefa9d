"""People who sign in, and their roles in teams, as admins see and set them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.message import Identifier, Instant, Message, Name, Page, Text


def _in_lower_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


UserName = Annotated[
    str, BeforeValidator(_in_lower_case), StringConstraints(pattern=r"^[a-z0-9_][a-z0-9_.@+\-]{0,127}$")
]
"""What somebody signs in with: an e-mail address fits. Always in lower case, so that no two look alike."""


class SignInBy(StrEnum):
    """Who vouches for a user."""

    LINK = "link"  # a one-time link is out; no password was chosen yet
    PASSWORD = "password"  # noqa: S105 - a kind, not a secret
    PROVIDER = "provider"  # the OIDC provider


class User(Message):
    """A person who may sign in."""

    id: Identifier
    name: UserName
    email: str | None = None
    signs_in_by: SignInBy
    is_platform_admin: bool = False
    roles: dict[Name, Role] = Field(default_factory=dict[Name, Role])
    """By team; of several in one team the highest."""
    locked_because: str | None = None
    created_at: Instant
    created_by: str
    last_sign_in_at: Instant | None = None


class UserList(Page):
    """``GET /v1/users``."""

    items: list[User]


class UserInvite(Message):
    """``POST /v1/users``."""

    name: UserName
    email: Annotated[Text, Field(max_length=320)] | None = None
    is_platform_admin: bool = False
    roles: dict[Name, Role] = Field(default_factory=dict[Name, Role])
    """By team."""


class SignInLink(Message):
    """The one answer that has a one-time sign-in link. Hand it over on a way that only its user reads."""

    user: UserName
    link: str = Field(repr=False)
    """The code is in the fragment, which browsers send to no server."""
    expires_at: Instant


class UserLock(Message):
    """``POST /v1/users/{user}/lock``."""

    reason: Annotated[Text, Field(min_length=1, max_length=500)]
    """Shown to whom it is about."""


class PlatformAdminWrite(Message):
    """``PUT /v1/users/{user}/platform-admin``."""

    is_platform_admin: bool


class MemberOrigin(StrEnum):
    """Who gave somebody a role."""

    GRANTED = "granted"  # an admin
    GROUPS = "groups"  # the groups of the OIDC provider; replaced at each sign-in


class Member(Message):
    """Somebody's role in a team."""

    user: UserName
    role: Role
    origin: MemberOrigin
    locked: bool = False


class MemberList(Page):
    """``GET /v1/teams/{team}/members``."""

    items: list[Member]


class MemberWrite(Message):
    """``PUT /v1/teams/{team}/members/{user}``."""

    role: Role
