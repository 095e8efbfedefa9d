"""The outbox of webhooks on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select, text

from leasehold_api.acting import By, Slice, Team
from leasehold_api.clock import instant, instant_or_none
from leasehold_api.errors import ConflictError, NotFoundError
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage import sql_audit
from leasehold_api.storage.database import Database
from leasehold_api.storage.slices import next_of
from leasehold_api.storage.tables import webhooks
from leasehold_api.storage.writer import Transaction
from leasehold_api.webhooks.outbox import KEPT_S, TAKEN_FOR_S, Due, Sent, pause_after
from leasehold_protocol.v1.webhooks import HookEvent, Webhook, WebhookList, WebhookState

# Taken by moving its due time: who dies with it loses it then. Two processes that meet take different ones.
_TAKE = """
    UPDATE webhooks SET tries = tries + 1, due_at = :until
     WHERE state = 'waiting' AND id IN (
        SELECT id FROM webhooks WHERE state = 'waiting' AND due_at <= :now ORDER BY due_at LIMIT :most {lock})
    RETURNING id, team_id, event, target, tries, payload,
              (SELECT name FROM teams t WHERE t.id = webhooks.team_id) AS team
"""

# Only who took it last: a try that took too long and failed must not undo what came of the next one.
_SETTLE = text("""
    UPDATE webhooks SET state = :state, due_at = :due_at, settled_at = :settled_at, error = :error
     WHERE id = :id AND state = 'waiting' AND (tries = :tries OR :state = 'delivered')
""")
_FORGET_OLD = text("DELETE FROM webhooks WHERE settled_at IS NOT NULL AND settled_at <= :before")
_NEXT = text("SELECT min(due_at) FROM webhooks WHERE state = 'waiting'")
_AGAIN = text("""
    UPDATE webhooks SET state = 'waiting', tries = 0, due_at = :now, settled_at = NULL
     WHERE id = :id AND team_id = :team AND state = 'dead' RETURNING id
""")


class SqlHookOutbox:
    """Implements ``leasehold_api.webhooks.outbox.HookOutbox``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, *, most: int, now: float) -> Sequence[Due]:
        """Return what is due; see the port."""
        if (due := await self.next_due()) is None or due > now:
            return []  # without waking the writer

        def operation(tx: Transaction) -> list[Due]:
            lock = "FOR UPDATE SKIP LOCKED" if tx.dialect == "postgresql" else ""
            parameters = {"now": now, "until": now + TAKEN_FOR_S, "most": most}
            return [
                Due(
                    id=row.id,
                    team=Team(id=row.team_id, name=row.team),
                    event=row.event,
                    target=row.target,
                    tries=row.tries,
                    payload=row.payload,
                )
                for row in tx.run(text(_TAKE.format(lock=lock)), parameters).all()
            ]

        return await self._database.write(operation)

    async def settle(self, due: Due, sent: Sent, *, now: float) -> None:
        """Record what came of a try; see the port."""
        pause = None if sent.is_final else pause_after(due.tries)
        state = WebhookState.DELIVERED
        if sent.problem is not None:
            state = WebhookState.DEAD if pause is None else WebhookState.WAITING
        is_settled = state is not WebhookState.WAITING
        parameters = {
            "id": due.id,
            "tries": due.tries,
            "state": state.value,
            "due_at": None if is_settled or pause is None else now + pause,
            "settled_at": now if is_settled else None,
            "error": sent.problem,
        }

        def operation(tx: Transaction) -> None:
            tx.run(_SETTLE, parameters)
            tx.run(_FORGET_OLD, {"before": now - KEPT_S})

        await self._database.write(operation)

    async def next_due(self) -> float | None:
        """Return when something is due next; see the port."""
        due: float | None = await self._database.read(lambda connection: connection.execute(_NEXT).scalar())
        return due

    async def list(self, team: Team, part: Slice, *, state: WebhookState | None) -> WebhookList:
        """Return the team's webhooks; see the port."""
        query = select(webhooks).where(webhooks.c.team_id == team.id).order_by(webhooks.c.id.desc()).limit(part.limit)
        if part.after is not None:
            query = query.where(webhooks.c.id < part.after)
        if state is not None:
            query = query.where(webhooks.c.state == state.value)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return WebhookList(items=[_shown(row) for row in rows], next=next_of(part, [row.id for row in rows]))

    async def again(self, team: Team, webhook: str, *, by: By) -> Webhook:
        """Let one that is dead be sent once more; see the port."""

        def operation(tx: Transaction) -> Webhook:
            is_dead = tx.run(_AGAIN, {"id": webhook, "team": team.id, "now": by.at}).first() is not None
            query = select(webhooks).where(webhooks.c.id == webhook, webhooks.c.team_id == team.id)
            row = tx.run(query).one_or_none()
            if row is None:
                raise NotFoundError(f"there is no webhook {webhook!r} in this team; list them: leasehold webhooks list")
            if not is_dead:
                raise ConflictError(f"webhook {webhook} is {row.state}: only those that were given up are sent again")
            tx.signal(Signal(Topic.HOOK, ""))
            sql_audit.record(
                tx,
                at=by.at,
                actor=by.actor,
                address=by.address,
                action="webhook.retried",
                object=webhook,
                team_id=team.id,
                detail={"run": row.run_id, "target": row.target},
            )
            return _shown(row)

        return await self._database.write(operation)


def _shown(row: Row[Any]) -> Webhook:
    return Webhook(
        webhook=row.id,
        event=HookEvent(row.event),
        dag=row.dag,
        run=row.run_id,
        target=row.target,
        state=WebhookState(row.state),
        tries=row.tries,
        created_at=instant(row.created_at),
        due_at=instant_or_none(row.due_at),
        settled_at=instant_or_none(row.settled_at),
        error=row.error,
    )
