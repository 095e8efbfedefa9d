"""The authorization server's store on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from sqlalchemy import Row, Select, delete, insert, or_, select, update

from leasehold_api.oauth.kept.generations import Generation
from leasehold_api.oauth.kept.people_store import PeopleStore
from leasehold_api.oauth.kept.store import (
    AuditEntry,
    AuthorityStore,
    EnrolledAgent,
    HeldLease,
    NewAgent,
    NewEnrolment,
    StoredEnrolmentToken,
)
from leasehold_api.storage import sql_audit, sql_enrolments
from leasehold_api.storage.conditional import insert_unless_there
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_agent_keys import promote, take_over
from leasehold_api.storage.sql_locks import SITE_LOCK, lock_agent, lock_of
from leasehold_api.storage.sql_people_tokens import SqlPeopleStore
from leasehold_api.storage.tables import (
    agents,
    connection_grants,
    connections,
    dag_versions,
    dags,
    runs,
    sites,
    task_instances,
    teams,
    used_jtis,
)
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.fleet import RunningAttempts
from leasehold_protocol.v1.manifest import TaskEntry

T = TypeVar("T")

_AGENT = (
    select(agents, sites.c.name.label("site"), teams.c.name.label("team"), *SITE_LOCK)
    .join(sites, sites.c.id == agents.c.site_id)
    .join(teams, teams.c.id == agents.c.team_id)
)


class SqlAuthorityStorage:
    """Implements ``leasehold_api.oauth.kept.store.AuthorityStorage``."""

    def __init__(self, database: Database, plans: Plans) -> None:
        self._database = database
        self._plans = plans

    def transact(self, operation: Callable[[AuthorityStore], T]) -> Awaitable[T]:
        """Run ``operation`` in one transaction; see the port."""
        return self._database.write(lambda tx: operation(SqlAuthorityStore(tx, self._plans)))


class SqlAuthorityStore:
    """Implements ``leasehold_api.oauth.kept.store.AuthorityStore`` in one transaction."""

    def __init__(self, tx: Transaction, plans: Plans) -> None:
        self._tx = tx
        self._plans = plans
        self.people: PeopleStore = SqlPeopleStore(tx)

    def enrolment_token(self, token_id: str) -> StoredEnrolmentToken | None:
        """Return an enrolment token by its public id."""
        return sql_enrolments.by_id(self._tx, token_id)

    def enrolment_for_key(self, jkt: str, *, now: float) -> StoredEnrolmentToken | None:
        """Return the enrolment without secret that is bound to a key; see the port."""
        return sql_enrolments.for_key(self._tx, jkt, now=now)

    def issue_enrolment(self, enrolment: NewEnrolment) -> None:
        """Issue an enrolment; see the port."""
        sql_enrolments.add(self._tx, enrolment)

    def use_enrolment_token(self, token_id: str, *, jkt: str, agent_id: str, address: str | None, now: float) -> bool:
        """Use the token once; see the port."""
        return sql_enrolments.use(self._tx, token_id, jkt=jkt, agent_id=agent_id, address=address, now=now)

    def add_agent(self, agent: NewAgent, *, now: float) -> None:
        """Enrol an agent."""
        row = {
            "id": agent.id,
            "team_id": agent.team_id,
            "site_id": agent.site_id,
            "name": agent.name,
            "jkt": agent.jkt,
            "public_jwk": json.dumps(agent.public_jwk, separators=(",", ":")),
            "enrolled_at": now,
            "enrolled_from": agent.address,
            "version": agent.version,
        }
        self._tx.run(insert(agents), row)

    def agent(self, agent_id: str) -> EnrolledAgent | None:
        """Return an agent, held until the transaction ends."""
        # FOR UPDATE: two API processes that judge the same generation must do it one after the other.
        return self._agent(_AGENT.where(agents.c.id == agent_id).with_for_update(of=agents))

    def agent_with_key(self, jkt: str) -> EnrolledAgent | None:
        """Return the agent that has this key."""
        return self._agent(_AGENT.where(or_(agents.c.jkt == jkt, agents.c.next_jkt == jkt)))

    def _agent(self, query: Select[Any]) -> EnrolledAgent | None:
        row = self._tx.run(query).first()
        if row is None:
            return None
        return EnrolledAgent(
            id=row.id,
            name=row.name,
            jkt=row.jkt,
            public_jwk=json.loads(row.public_jwk),
            site_id=row.site_id,
            site=row.site,
            team_id=row.team_id,
            team=row.team,
            token_epoch=row.token_epoch,
            generation=_generation(row),
            locked_because=lock_of(row).because,
            is_finishing=lock_of(row).is_finishing,
            next_jkt=row.next_jkt,
            next_public_jwk=None if row.next_public_jwk is None else json.loads(row.next_public_jwk),
        )

    def take_over(
        self, agent_id: str, *, jkt: str, public_jwk: dict[str, str], address: str | None, now: float
    ) -> EnrolledAgent:
        """Make the key that the agent was handed over to its only one; see the port."""
        take_over(self._tx, agent_id, jkt=jkt, public_jwk=public_jwk, address=address, now=now)
        return cast("EnrolledAgent", self.agent(agent_id))

    def promote_key(self, agent_id: str, jkt: str, *, now: float) -> EnrolledAgent:
        """Make the proposed key the agent's only one."""
        promote(self._tx, agent_id, jkt, now=now)
        return cast("EnrolledAgent", self.agent(agent_id))

    def remember_jti(self, jti: str, *, expires_at: float, now: float) -> bool:
        """Remember that an assertion was used; see the port."""
        self._tx.run(delete(used_jtis).where(used_jtis.c.expires_at < now))
        return insert_unless_there(self._tx, used_jtis, {"jti": jti, "expires_at": expires_at})

    def set_generation(self, agent_id: str, generation: Generation) -> None:
        """Remember the newest generation."""
        self._tx.run(
            update(agents)
            .where(agents.c.id == agent_id)
            .values(
                generation=generation.number,
                generation_jti=generation.jti,
                generation_iat=generation.issued_at,
            )
        )

    def lock_agent(self, agent_id: str, *, because: str, now: float) -> None:
        """Lock the agent and end its access tokens."""
        lock_agent(self._tx, self._plans, agent_id, because=because, running=RunningAttempts.CANCEL, now=now)

    def lease(self, task_instance: str, *, epoch: int, agent_id: str) -> HeldLease | None:
        """Return the lease, if it runs at this epoch and this agent holds it."""
        row = self._tx.run(
            select(
                task_instances.c.task,
                task_instances.c.site_id,
                task_instances.c.expires_at,
                task_instances.c.run_id,
                dag_versions.c.manifest,
                dags.c.name.label("dag"),
            )
            .join(runs, runs.c.id == task_instances.c.run_id)
            .join(dag_versions, dag_versions.c.id == task_instances.c.dag_version_id)
            .join(dags, dags.c.id == runs.c.dag_id)
            .where(
                task_instances.c.id == task_instance,
                task_instances.c.epoch == epoch,
                task_instances.c.agent_id == agent_id,
                task_instances.c.state == "running",
            )
        ).first()
        if row is None:
            return None
        return HeldLease(
            task_instance=task_instance,
            epoch=epoch,
            agent_id=agent_id,
            expires_at=row.expires_at or 0.0,
            run=row.run_id,
            dag=row.dag,
            entry=task_entry(row.manifest, row.task),
            granted_connections=self._granted(row.site_id),
        )

    def _granted(self, site_id: str) -> frozenset[str]:
        query = (
            select(connections.c.name)
            .join(connection_grants, connection_grants.c.connection_id == connections.c.id)
            .where(connection_grants.c.site_id == site_id)
        )
        return frozenset(self._tx.run(query).scalars())

    def audit(self, entry: AuditEntry) -> None:
        """Add a line to the audit trail."""
        sql_audit.record(
            self._tx,
            at=entry.at,
            actor=entry.actor,
            action=entry.action,
            object=entry.object,
            result=entry.result,
            team_id=entry.team_id,
            address=entry.address,
            detail=entry.detail,
        )


def task_entry(manifest: str, task: str) -> TaskEntry:
    """Return one task of a manifest; the rest is not validated again."""
    found = next(entry for entry in json.loads(manifest)["tasks"] if entry["id"] == task)
    return TaskEntry.model_validate(found)


def _generation(row: Row[Any]) -> Generation | None:
    if row.generation_jti is None or row.generation_iat is None:
        return None
    return Generation(number=row.generation, jti=row.generation_jti, issued_at=row.generation_iat)
