"""Everything about people on one database."""

from __future__ import annotations

from leasehold_api.people.passwords import Passwords
from leasehold_api.people.people import People
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_local_sign_in import SqlLocalSignIn
from leasehold_api.storage.sql_members import SqlMembers
from leasehold_api.storage.sql_sessions import SqlSessions
from leasehold_api.storage.sql_users import SqlUsers


def people_on(database: Database, passwords: Passwords) -> People:
    """Return all stores of people."""
    return People(
        users=SqlUsers(database),
        members=SqlMembers(database),
        sessions=SqlSessions(database),
        local=SqlLocalSignIn(database),
        passwords=passwords,
    )
