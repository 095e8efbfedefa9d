"""What somebody's groups at the OIDC provider let them do here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from leasehold_api.config import SettingsError
from leasehold_api.fleet.roles import highest
from leasehold_protocol.v1.fleet import Role

PLATFORM_ADMIN = "*:platform-admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What groups let somebody do."""

    roles: Mapping[str, Role]
    """By the team's name."""
    is_platform_admin: bool = False

    @property
    def is_something(self) -> bool:
        """Say whether any of the groups is mapped."""
        return bool(self.roles) or self.is_platform_admin


@dataclass(frozen=True, slots=True)
class GroupRole:
    """One entry of the setting ``oidc_roles``."""

    group: str
    team: str
    role: Role | None
    """None: platform admin."""


class GroupRoles:
    """The setting ``oidc_roles``."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Read entries like ``group=team:role``.

        Raises:
            SettingsError: naming every entry that has another form.
        """
        entries = list(entries)
        read = [_read(entry) for entry in entries]
        wrong = [entry for entry, found in zip(entries, read, strict=True) if found is None]
        if wrong:
            roles = ", ".join(Role)
            raise SettingsError(
                f"oidc_roles has {', '.join(map(repr, wrong))}: each entry must be like group=team:role "
                f"(a role is {roles}) or group={PLATFORM_ADMIN}"
            )
        self.entries = [found for found in read if found is not None]

    def granted(self, groups: Iterable[str]) -> Granted:
        """Return what these groups let somebody do; of several roles in one team the highest."""
        mine = set(groups)
        roles: dict[str, Role] = {}
        is_platform_admin = False
        for entry in self.entries:
            if entry.group not in mine:
                continue
            if entry.role is None:
                is_platform_admin = True
            else:
                roles[entry.team] = highest(entry.role, roles.get(entry.team, entry.role))
        return Granted(roles=roles, is_platform_admin=is_platform_admin)


def _read(entry: str) -> GroupRole | None:
    # The last "=": the names of groups may have some themselves (cn=operators,ou=plant).
    group, equals, what = entry.rpartition("=")
    team, colon, role = what.partition(":")
    if not (group and equals and team and colon):
        return None
    if what == PLATFORM_ADMIN:
        return GroupRole(group, team, None)
    return GroupRole(group, team, Role(role)) if role in list(Role) and team != "*" else None
