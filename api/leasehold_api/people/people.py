"""People: all of what the pages and the routes about them use."""

from __future__ import annotations

from dataclasses import dataclass

from leasehold_api.people.group_roles import GroupRoles
from leasehold_api.people.links import LocalSignInStore
from leasehold_api.people.passwords import Passwords
from leasehold_api.people.provider import Provider
from leasehold_api.people.provider_users import ProviderSignInStore
from leasehold_api.people.sessions import SessionStore
from leasehold_api.people.users import MemberStore, UserStore


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Everything about people."""

    users: UserStore
    members: MemberStore
    sessions: SessionStore
    local: LocalSignInStore
    passwords: Passwords
    at_provider: ProviderSignInStore
    group_roles: GroupRoles
    provider: Provider | None
    """None: people sign in with passwords only."""

    async def close(self) -> None:
        """Let go of threads and connections."""
        self.passwords.close()
        if self.provider is not None:
            await self.provider.close()
