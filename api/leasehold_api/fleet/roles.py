"""Roles in a team: each includes the ones before it."""

from __future__ import annotations

from leasehold_protocol.v1.fleet import Role

_RANK = {role: rank for rank, role in enumerate((Role.VIEWER, Role.AUTHOR, Role.OPERATOR, Role.ADMIN))}


def highest(*roles: Role) -> Role:
    """Return the role that includes all others."""
    return max(roles, key=_RANK.__getitem__)


def includes(role: Role, needed: Role) -> bool:
    """Say whether ``role`` may do what ``needed`` may."""
    return _RANK[role] >= _RANK[needed]
