"""Who calls, as the database knows it at this moment: one indexed query per request."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, exists, select, update

from leasehold_api.callers import Membership
from leasehold_api.fleet.roles import highest
from leasehold_api.fleet.standing import (
    AgentStanding,
    ServiceClientStanding,
    SignInStanding,
    StoredApiToken,
    UserStanding,
)
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_locks import SITE_LOCK, lock_of
from leasehold_api.storage.tables import (
    agents,
    api_tokens,
    memberships,
    oauth_sign_ins,
    revoked_jtis,
    service_clients,
    sites,
    teams,
    users,
)
from leasehold_protocol.v1.fleet import Role

_IS_REVOKED = exists().where(revoked_jtis.c.jti == bindparam("jti")).label("is_token_revoked")
_AGENT = (
    select(
        agents.c.id,
        agents.c.name,
        agents.c.site_id,
        agents.c.team_id,
        agents.c.jkt,
        agents.c.token_epoch,
        agents.c.locked_at,
        agents.c.locked_because,
        agents.c.locked_running,
        agents.c.policy_fingerprint,
        *SITE_LOCK,
        sites.c.name.label("site"),
        teams.c.name.label("team"),
        _IS_REVOKED,
    )
    .join(sites, sites.c.id == agents.c.site_id)
    .join(teams, teams.c.id == agents.c.team_id)
    .where(agents.c.id == bindparam("id"))
)
_TOKEN = (
    select(api_tokens, teams.c.name.label("team"))
    .outerjoin(teams, teams.c.id == api_tokens.c.team_id)
    .where(api_tokens.c.id == bindparam("id"))
)
_USER = select(users).where(users.c.id == bindparam("id"))
_MEMBERSHIPS = (
    select(memberships.c.team_id, memberships.c.role, teams.c.name.label("team"))
    .join(teams, teams.c.id == memberships.c.team_id)
    .where(memberships.c.user_id == bindparam("id"))
)
_SIGN_IN = select(oauth_sign_ins, _IS_REVOKED).where(oauth_sign_ins.c.id == bindparam("id"))
_CLIENT = (
    select(service_clients, teams.c.name.label("team"), _IS_REVOKED)
    .join(teams, teams.c.id == service_clients.c.team_id)
    .where(service_clients.c.id == bindparam("id"))
)
_TEAM = select(teams.c.id).where(teams.c.name == bindparam("name"))


class SqlCallers:
    """Implements ``leasehold_api.fleet.standing.Callers``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def agent(self, agent_id: str, *, jti: str) -> AgentStanding | None:
        """Return the standing of an agent and of its token."""
        shown = {"id": agent_id, "jti": jti}
        row = await self._database.look_up(lambda connection: connection.execute(_AGENT, shown).first())
        if row is None:
            return None
        return AgentStanding(
            agent_id=row.id,
            agent_name=row.name,
            site_id=row.site_id,
            site=row.site,
            team_id=row.team_id,
            team=row.team,
            jkt=row.jkt,
            token_epoch=row.token_epoch,
            locked_because=lock_of(row).because,
            is_finishing=lock_of(row).is_finishing,
            policy=row.policy_fingerprint,
            is_token_revoked=row.is_token_revoked,
        )

    async def api_token(self, token_id: str) -> StoredApiToken | None:
        """Return an API token."""
        row = await self._database.look_up(lambda connection: connection.execute(_TOKEN, {"id": token_id}).first())
        if row is None:
            return None
        return StoredApiToken(
            id=row.id,
            name=row.name,
            membership=None
            if row.team_id is None
            else Membership(team_id=row.team_id, team=row.team, role=Role(row.role)),
            sha256=row.secret_sha256,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            last_used_at=row.last_used_at,
        )

    async def user(self, user_id: str) -> UserStanding | None:
        """Return a person's standing."""
        return await self._database.read(lambda connection: standing_of_user(connection, user_id))

    async def signed_in(self, sign_in_id: str, *, jti: str) -> SignInStanding | None:
        """Return the standing of a sign-in, of its person and of its token."""
        return await self._database.read(lambda connection: _signed_in(connection, sign_in_id, jti))

    async def service_client(self, client_id: str, *, jti: str) -> ServiceClientStanding | None:
        """Return the standing of a service client and of its token."""
        shown = {"id": client_id, "jti": jti}
        row = await self._database.look_up(lambda connection: connection.execute(_CLIENT, shown).first())
        if row is None:
            return None
        return ServiceClientStanding(
            id=row.id,
            name=row.name,
            membership=Membership(team_id=row.team_id, team=row.team, role=Role(row.role)),
            token_epoch=row.token_epoch,
            expires_at=row.expires_at,
            locked_because=None if row.locked_at is None else row.locked_because or "no reason was given",
            is_token_revoked=row.is_token_revoked,
        )

    async def team_id(self, name: str) -> str | None:
        """Return the id of a team."""
        return await self._database.look_up(lambda connection: connection.execute(_TEAM, {"name": name}).scalar())

    async def api_token_used(self, token_id: str, *, now: float) -> None:
        """Remember when a token was last used."""
        await self._database.write(
            lambda tx: tx.run(update(api_tokens).where(api_tokens.c.id == token_id).values(last_used_at=now)).close()
        )


def standing_of_user(connection: Connection, user_id: str) -> UserStanding | None:
    """Return a person's standing, within a query."""
    row = connection.execute(_USER, {"id": user_id}).first()
    if row is None:
        return None
    found: dict[str, Membership] = {}
    for one in connection.execute(_MEMBERSHIPS, {"id": user_id}):
        role = Role(one.role) if one.team not in found else highest(Role(one.role), found[one.team].role)
        found[one.team] = Membership(team_id=one.team_id, team=one.team, role=role)
    return UserStanding(
        id=row.id,
        name=row.name,
        is_platform_admin=row.is_platform_admin or row.is_admin_by_groups,
        token_epoch=row.token_epoch,
        locked_because=None if row.locked_at is None else row.locked_because or "no reason was given",
        memberships=found,
    )


def _signed_in(connection: Connection, sign_in_id: str, jti: str) -> SignInStanding | None:
    row = connection.execute(_SIGN_IN, {"id": sign_in_id, "jti": jti}).first()
    user = None if row is None else standing_of_user(connection, row.user_id)
    if row is None or user is None:
        return None
    is_over = row.ended_at is not None
    return SignInStanding(
        user=user,
        expires_at=row.expires_at,
        ended_because=(row.ended_because or "no reason was given") if is_over else None,
        is_token_revoked=row.is_token_revoked,
    )
