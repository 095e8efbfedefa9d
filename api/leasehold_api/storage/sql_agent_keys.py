"""The keys that agents propose for themselves, on SQLite and PostgreSQL."""

from __future__ import annotations

import json

from sqlalchemy import or_, select, update

from leasehold_api.callers import AgentCaller
from leasehold_api.errors import ConflictError
from leasehold_api.storage import sql_audit
from leasehold_api.storage.conditional import rows_changed
from leasehold_api.storage.database import Database
from leasehold_api.storage.tables import agents
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.agents import AgentKeys


class SqlAgentKeys:
    """Implements ``leasehold_api.fleet.registry.AgentKeyStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def propose(self, holder: AgentCaller, *, jkt: str, public_jwk: dict[str, str], now: float) -> AgentKeys:
        """Keep the agent's next key; see the port."""

        def operation(tx: Transaction) -> AgentKeys:
            known = or_(agents.c.jkt == jkt, agents.c.next_jkt == jkt)
            owner = tx.run(select(agents.c.id, agents.c.jkt).where(known)).first()
            if _handed_over_to(tx, holder.agent_id) is not None:
                raise ConflictError("this agent was handed over to another machine: finish there, this key is not kept")
            if owner is not None and (owner.id != holder.agent_id or owner.jkt == jkt):
                raise ConflictError("this key is in use already: make a new one")
            if owner is None:
                # The holder's key is compared again: what the old key proposes after its end must not count.
                mine = update(agents).where(agents.c.id == holder.agent_id, agents.c.jkt == holder.jkt)
                values = {"next_jkt": jkt, "next_public_jwk": json.dumps(public_jwk, separators=(",", ":"))}
                if rows_changed(tx, mine.values(values)) != 1:
                    raise ConflictError("the key that made this request was retired meanwhile: use the new one")
                _record(tx, "agent.key_proposed", holder.agent_id, holder.team_id, jkt=jkt, now=now)
            return AgentKeys(current=holder.jkt, proposed=jkt)

        return await self._database.write(operation)

    async def hand_over(self, holder: AgentCaller, *, jkt: str, address: str | None, now: float) -> AgentKeys:
        """Name the key on another machine that takes the agent over; see the port."""

        def operation(tx: Transaction) -> AgentKeys:
            owner = tx.run(select(agents.c.id).where(or_(agents.c.jkt == jkt, agents.c.next_jkt == jkt))).scalar()
            if owner == holder.agent_id and _handed_over_to(tx, holder.agent_id) == jkt:
                return AgentKeys(current=holder.jkt, proposed=jkt)
            if owner is not None:
                raise ConflictError("this key is in use already: make a new one on the new machine")
            mine = update(agents).where(agents.c.id == holder.agent_id, agents.c.jkt == holder.jkt)
            if rows_changed(tx, mine.values(next_jkt=jkt, next_public_jwk=None)) != 1:
                raise ConflictError("the key that made this request was retired meanwhile: use the new one")
            _record(tx, "agent.handed_over", holder.agent_id, holder.team_id, jkt=jkt, now=now, address=address)
            return AgentKeys(current=holder.jkt, proposed=jkt)

        return await self._database.write(operation)


def _handed_over_to(tx: Transaction, agent_id: str) -> str | None:
    query = select(agents.c.next_jkt).where(agents.c.id == agent_id, agents.c.next_public_jwk.is_(None))
    return tx.run(query).scalar()


def promote(tx: Transaction, agent_id: str, jkt: str, *, now: float) -> None:
    """Make the proposed key the agent's only one: from this commit on the old one opens nothing."""
    statement = (
        update(agents)
        .where(agents.c.id == agent_id, agents.c.next_jkt == jkt)
        .values(jkt=jkt, public_jwk=agents.c.next_public_jwk, key_since=now, next_jkt=None, next_public_jwk=None)
        .returning(agents.c.team_id)
    )
    team_id = tx.run(statement).scalar_one()
    _record(tx, "agent.key_rotated", agent_id, team_id, jkt=jkt, now=now)


def take_over(
    tx: Transaction, agent_id: str, *, jkt: str, public_jwk: dict[str, str], address: str | None, now: float
) -> None:
    """Make the key on the other machine, of which only the thumbprint was known, the agent's only one."""
    # The new machine counts its assertions from the beginning, and tokens of the old one end.
    statement = (
        update(agents)
        .where(agents.c.id == agent_id, agents.c.next_jkt == jkt, agents.c.next_public_jwk.is_(None))
        .values(
            jkt=jkt,
            public_jwk=json.dumps(public_jwk, separators=(",", ":")),
            key_since=now,
            next_jkt=None,
            generation=0,
            generation_jti=None,
            generation_iat=None,
            token_epoch=agents.c.token_epoch + 1,
        )
        .returning(agents.c.team_id)
    )
    if (team_id := tx.run(statement).scalar()) is not None:
        _record(tx, "agent.moved", agent_id, team_id, jkt=jkt, now=now, address=address)


def _record(
    tx: Transaction, action: str, agent_id: str, team_id: str, *, jkt: str, now: float, address: str | None = None
) -> None:
    sql_audit.record(
        tx,
        at=now,
        actor=f"agent:{agent_id}",
        action=action,
        object=agent_id,
        team_id=team_id,
        address=address,
        detail={"key": jkt},
    )
