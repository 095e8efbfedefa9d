"""Scopes of people's and service clients' tokens: a ceiling on roles. A token never allows more than its owner may.

Roles include one another, so the highest one that is named counts, and tokens list the ones below it as well.
``platform`` stands for what platform admins may, in every team.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from leasehold_api.callers import Membership
from leasehold_api.fleet.roles import highest, includes
from leasehold_protocol.v1.fleet import Role

PLATFORM = "platform"
SCOPES = (*(role.value for role in Role), PLATFORM)
ENROL = "enrol"
"""The scope of what a device that is let in as an agent gets: an enrolment token."""


def unknown_in(scope: str) -> list[str]:
    """Return the words of a scope that mean nothing here."""
    return [word for word in scope.split() if word not in SCOPES]


def granted(scope: str | None, *, roles: Collection[Role], is_platform_admin: bool) -> str:
    """Return the scope that somebody with these roles gives away when ``scope`` is asked for; none asks for all."""
    words = list(SCOPES) if not scope or not scope.strip() else scope.split()
    if is_platform_admin and PLATFORM in words:
        return " ".join(SCOPES)
    held = Role.ADMIN if is_platform_admin else highest(Role.VIEWER, *roles)
    asked = Role.ADMIN if PLATFORM in words else highest(*(Role(word) for word in words))
    return up_to(asked if includes(held, asked) else held)


def narrowed(scope: str, wanted: str | None) -> str | None:
    """Return what a refresh may get of ``scope`` when it asks for ``wanted``; none when that is more (RFC 6749, 6)."""
    if not wanted or not wanted.strip():
        return scope
    words = wanted.split()
    if not set(words) <= set(scope.split()):
        return None
    return scope if PLATFORM in words else up_to(highest(*(Role(word) for word in words)))


def up_to(role: Role) -> str:
    """Return the scope that allows what ``role`` may."""
    return " ".join(one.value for one in Role if includes(role, one))


def allows_platform(scope: str) -> bool:
    """Say whether a platform admin stays one under this scope."""
    return PLATFORM in scope.split()


def under(scope: str, memberships: Mapping[str, Membership]) -> dict[str, Membership]:
    """Return memberships with no role above the scope's."""
    ceiling = highest(Role.VIEWER, *(Role(word) for word in scope.split() if word != PLATFORM))
    return {
        team: held if includes(ceiling, held.role) else Membership(team_id=held.team_id, team=held.team, role=ceiling)
        for team, held in memberships.items()
    }
