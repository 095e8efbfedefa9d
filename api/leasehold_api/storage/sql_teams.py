"""The teams' store on SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import select

from leasehold_api.acting import By, Slice
from leasehold_api.clock import instant
from leasehold_api.errors import ConflictError
from leasehold_api.storage import sql_audit
from leasehold_api.storage.conditional import insert_unless_there
from leasehold_api.storage.database import Database
from leasehold_api.storage.slices import next_of
from leasehold_api.storage.tables import teams
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.fleet import Team, TeamList
from leasehold_protocol.v1.problems import ProblemCode


class SqlTeams:
    """Implements ``leasehold_api.fleet.registry.TeamStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, part: Slice, *, only: frozenset[str] | None) -> TeamList:
        """Return teams by name; see the port."""
        query = select(teams).where(teams.c.name > (part.after or "")).order_by(teams.c.name).limit(part.limit)
        if only is not None:
            query = query.where(teams.c.name.in_(only))
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        items = [Team(name=row.name, created_at=instant(row.created_at), max_running=row.max_running) for row in rows]
        return TeamList(items=items, next=next_of(part, [item.name for item in items]))

    async def create(self, name: str, *, team_id: str, by: By) -> Team:
        """Make a team; see the port."""

        def operation(tx: Transaction) -> None:
            row = {"id": team_id, "name": name, "created_at": by.at}
            if not insert_unless_there(tx, teams, row):
                raise ConflictError(f"there is a team {name} already", code=ProblemCode.ALREADY_EXISTS)
            sql_audit.record(
                tx, at=by.at, actor=by.actor, address=by.address, action="team.created", object=name, team_id=team_id
            )

        await self._database.write(operation)
        return Team(name=name, created_at=instant(by.at))
