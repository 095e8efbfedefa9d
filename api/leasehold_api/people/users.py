"""Users and their roles, as admins see and set them: the promises of the stores."""

from __future__ import annotations

from typing import Protocol

from leasehold_api.acting import By, Slice, Team
from leasehold_api.opaque_tokens import OpaqueToken
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.people import Member, MemberList, User, UserInvite, UserList


class UserStore(Protocol):
    """Users. The last platform admin stays as long as no platform admin's API token works."""

    async def list(self, part: Slice) -> UserList:
        """Return users by name."""
        ...

    async def get(self, name: str) -> User:
        """Return a user.

        Raises:
            NotFoundError: if there is none of that name.
        """
        ...

    async def invite(self, invite: UserInvite, *, user_id: str, link: OpaqueToken, lasts_s: float, by: By) -> None:
        """Make a user with their roles, and keep the hash of the link that lets them in.

        Raises:
            ConflictError: already_exists.
            NotFoundError: if one of the teams does not exist.
        """
        ...

    async def reset(self, name: str, *, link: OpaqueToken, lasts_s: float, by: By) -> None:
        """Keep the hash of a link that lets a user choose a new password; earlier links end.

        Raises:
            NotFoundError: if there is none of that name.
            ConflictError: if the OIDC provider vouches for them: they have no password here.
        """
        ...

    async def lock(self, name: str, *, because: str, by: By) -> User:
        """Lock a user: their sessions, tokens and links end at once.

        Raises:
            NotFoundError: if there is none of that name.
            ConflictError: if they are the last platform admin.
        """
        ...

    async def unlock(self, name: str, *, by: By) -> User:
        """Let a user sign in again."""
        ...

    async def set_platform_admin(self, name: str, *, wanted: bool, by: By) -> User:
        """Make somebody a platform admin, or no longer one.

        Raises:
            NotFoundError: if there is none of that name.
            ConflictError: if they are the last one, or their groups make them one.
        """
        ...

    async def end_everything(self, user_id: str, *, by: By) -> None:
        """End all sessions and tokens of a user who may sign in again."""
        ...

    async def delete(self, name: str, *, by: By) -> None:
        """Remove a user with all that is theirs.

        Raises:
            NotFoundError: if there is none of that name.
            ConflictError: if they are the last platform admin.
        """
        ...


class MemberStore(Protocol):
    """Who has which role in a team."""

    async def list(self, team: Team, part: Slice) -> MemberList:
        """Return the team's members by name; whoever has a role twice over (granted, by groups) stands there twice."""
        ...

    async def put(self, team: Team, user: str, role: Role, *, by: By) -> Member:
        """Give somebody a role, in place of one that was granted before.

        Raises:
            NotFoundError: if there is no such user.
        """
        ...

    async def remove(self, team: Team, user: str, *, by: By) -> None:
        """Take back the role that was granted.

        Raises:
            NotFoundError: if the user is no member of the team.
            ConflictError: if only their groups make them one.
        """
        ...
