"""Everything about people on one database."""

from __future__ import annotations

from leasehold_api.config import Settings
from leasehold_api.people.choice import provider_of
from leasehold_api.people.group_roles import GroupRoles
from leasehold_api.people.passwords import Passwords
from leasehold_api.people.people import People
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_local_sign_in import SqlLocalSignIn
from leasehold_api.storage.sql_members import SqlMembers
from leasehold_api.storage.sql_provider_sign_in import SqlProviderSignIn
from leasehold_api.storage.sql_sessions import SqlSessions
from leasehold_api.storage.sql_users import SqlUsers


def people_on(database: Database, settings: Settings) -> People:
    """Return all stores of people, and where they sign in.

    Raises:
        SettingsError: if oidc_roles can't be used.
    """
    return People(
        users=SqlUsers(database),
        members=SqlMembers(database),
        sessions=SqlSessions(database),
        local=SqlLocalSignIn(database),
        passwords=Passwords(),
        at_provider=SqlProviderSignIn(database),
        group_roles=GroupRoles(settings.oidc_roles),
        provider=provider_of(settings),
    )
