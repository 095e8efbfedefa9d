"""Who a running task is, on SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import select

from leasehold_api.callers import TaskCaller
from leasehold_api.context.entitlement import Facts, Verdict, judge
from leasehold_api.oauth.tokens.id_tokens import Identified, Whoever
from leasehold_api.oauth.tokens.task_tokens import id_token_scope
from leasehold_api.storage import sql_entitlement
from leasehold_api.storage.database import Database
from leasehold_api.storage.tables import sites, task_instances, teams
from leasehold_api.storage.writer import Transaction


class SqlIdentities:
    """Implements ``leasehold_api.oauth.tokens.id_tokens.IdentityStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def identify(self, reader: TaskCaller, audience: str, *, now: float) -> Identified:
        """Judge a task's request and say who it is; see the port."""

        def operation(tx: Transaction) -> Identified:
            whoever = _whoever(tx, reader)
            in_scope = id_token_scope(audience) in reader.scopes
            verdict = judge(
                Facts(
                    lease_runs=whoever is not None and sql_entitlement.lease_runs(tx, reader),
                    in_scope=in_scope,
                    # Every declared audience is in the token's scopes, so there is nothing more to look up.
                    declared=in_scope,
                    exists=True,
                )
            )
            sql_entitlement.record(tx, reader, action="id_token.issue", name=audience, verdict=verdict, now=now)
            return Identified(verdict=verdict, whoever=whoever if verdict is Verdict.GIVEN else None)

        return await self._database.write(operation)


def _whoever(tx: Transaction, reader: TaskCaller) -> Whoever | None:
    query = (
        select(teams.c.name.label("team"), sites.c.name.label("site"), task_instances.c.tries)
        .join(teams, teams.c.id == task_instances.c.team_id)
        .join(sites, sites.c.id == task_instances.c.site_id)
        .where(task_instances.c.id == reader.task_instance, sites.c.id == reader.site_id)
    )
    row = tx.run(query).first()
    if row is None:
        return None
    return Whoever(
        team=row.team, site=row.site, dag=reader.dag, task=reader.task, run=reader.run, try_number=row.tries + 1
    )
