"""People: all of what the pages and the routes about them use."""

from __future__ import annotations

from dataclasses import dataclass

from leasehold_api.people.links import LocalSignInStore
from leasehold_api.people.passwords import Passwords
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
