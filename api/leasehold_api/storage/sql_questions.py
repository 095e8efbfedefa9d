"""What tasks ask people, and the events people send, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Row, insert, select, text

from leasehold_api.acting import By, Slice, Team
from leasehold_api.clock import instant, instant_or_none
from leasehold_api.errors import ConflictError, NotFoundError
from leasehold_api.runs.questions import check_may_answer, checked
from leasehold_api.runs.waiting import EVENTS_ARE_KEPT_S, Settled
from leasehold_api.storage import sql_audit
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_waits import one_at_a_time, settle, waiting_for
from leasehold_api.storage.tables import dag_versions, dags, events, task_instances, waits
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.inputs import AskedQuestion, AskedState, SentEvent
from leasehold_protocol.v1.message import Json
from leasehold_protocol.v1.waiting import Answer, Wait, WaitKind, WaitVerdict

_ASKED = (
    select(waits, task_instances.c.task, task_instances.c.map_index, dags.c.name.label("dag"))
    .join(task_instances, task_instances.c.id == waits.c.task_instance_id)
    .join(dag_versions, dag_versions.c.id == task_instances.c.dag_version_id)
    .join(dags, dags.c.id == dag_versions.c.dag_id)
    .where(waits.c.kind == WaitKind.QUESTION.value)
)

_LOCK = text("""
    SELECT 1 FROM task_instances t JOIN waits w ON w.task_instance_id = t.id
     WHERE w.id = :wait AND w.team_id = :team FOR UPDATE OF t
""")

_FORGET_OLD = text("DELETE FROM events WHERE sent_at < :before")

_HOW = {
    AskedState.OPEN: ("open",),
    AskedState.ANSWERED: ("came",),
    AskedState.TIMED_OUT: ("timed_out", "came"),
    AskedState.CLOSED: ("closed",),
}


class SqlQuestions:
    """Implements ``leasehold_api.runs.questions.QuestionStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, team: Team, part: Slice, *, state: AskedState | None) -> list[AskedQuestion]:
        """Return questions; see the port."""
        query = _ASKED.where(waits.c.team_id == team.id).order_by(waits.c.id).limit(part.limit)
        if part.after is not None:
            query = query.where(waits.c.id > part.after)
        if state is not None:
            query = query.where(waits.c.state.in_(_HOW[state]))
        if state is AskedState.ANSWERED:
            query = query.where(waits.c.settled_by.is_not(None))
        if state is AskedState.TIMED_OUT:
            query = query.where(waits.c.settled_by.is_(None))
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_asked(row) for row in rows]

    async def get(self, team: Team, input_id: str) -> AskedQuestion:
        """Return one; see the port."""
        query = _ASKED.where(waits.c.team_id == team.id, waits.c.id == input_id)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise _no_such(input_id)
        return _asked(row)

    async def answer(self, team: Team, input_id: str, answer: Answer, *, name: str, by: By) -> None:
        """Record an answer; see the port."""

        await self._database.write(lambda tx: _answer(tx, team, input_id, answer, name=name, by=by))


class SqlEvents:
    """Implements ``leasehold_api.runs.questions.EventStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def send(self, team: Team, event_id: str, name: str, value: Json, *, by: By) -> SentEvent:
        """Record an event and hand it out; see the port."""
        return await self._database.write(lambda tx: _send(tx, team, event_id, name, value, by))


def _answer(tx: Transaction, team: Team, input_id: str, answer: Answer, *, name: str, by: By) -> None:
    if tx.dialect == "postgresql":
        tx.run(_LOCK, {"wait": input_id, "team": team.id})
    row = tx.run(_ASKED.where(waits.c.team_id == team.id, waits.c.id == input_id)).one_or_none()
    if row is None:
        raise _no_such(input_id)
    asked = _asked(row)
    check_may_answer(asked.question, name)
    if asked.state is not AskedState.OPEN:
        raise ConflictError(_why_closed(asked))
    fitting = checked(asked.question, answer)
    settled = Settled(verdict=WaitVerdict.CAME, value=fitting.model_dump(mode="json"), by=by.actor)
    if not settle(tx, input_id, settled, now=by.at):
        raise ConflictError("somebody else answered at this moment: leasehold inputs show says who")
    # Not what was filled in: an answer may be something secret.
    detail = {"run": asked.run, "task": asked.task, "chosen": fitting.chosen}
    sql_audit.record_in_team(tx, "input.answered", input_id, team, by, detail)


def _send(tx: Transaction, team: Team, event_id: str, name: str, value: Json, by: By) -> SentEvent:
    one_at_a_time(tx, team.id, name)
    tx.run(_FORGET_OLD, {"before": by.at - EVENTS_ARE_KEPT_S})
    row = {"id": event_id, "team_id": team.id, "name": name, "value": json.dumps(value)}
    tx.run(insert(events), {**row, "sent_at": by.at, "sent_by": by.actor})
    settled = Settled(verdict=WaitVerdict.CAME, value=value, by=by.actor)
    waiting = waiting_for(tx, WaitKind.EVENT, name, team=team.id)
    resumed = sum(settle(tx, wait.id, settled, now=by.at) for wait in waiting)
    sql_audit.record_in_team(tx, "event.sent", name, team, by, {"event": event_id, "resumed": resumed})
    return SentEvent(event=event_id, name=name, sent_at=instant(by.at), resumed=resumed)


def _asked(row: Row[Any]) -> AskedQuestion:
    wait = Wait.model_validate_json(row.wait)
    if wait.question is None:
        raise ValueError(f"wait {row.id} asks nothing")
    return AskedQuestion(
        input=row.id,
        state=_state(row),
        run=row.run_id,
        dag=row.dag,
        task=row.task,
        map_index=row.map_index,
        question=wait.question,
        default=wait.default,
        asked_at=instant(row.began_at),
        until=instant_or_none(row.until),
        answer=None if row.value is None else Answer.model_validate_json(row.value),
        answered_by=row.settled_by,
        answered_at=instant_or_none(row.settled_at) if row.settled_by is not None else None,
    )


def _state(row: Row[Any]) -> AskedState:
    match row.state:
        case "open":
            return AskedState.OPEN
        case "came":
            return AskedState.TIMED_OUT if row.settled_by is None else AskedState.ANSWERED
        case "closed":
            return AskedState.CLOSED
        case _:
            return AskedState.TIMED_OUT


def _why_closed(asked: AskedQuestion) -> str:
    match asked.state:
        case AskedState.ANSWERED:
            at = asked.answered_at.isoformat(timespec="seconds") if asked.answered_at else "before"
            return f"{asked.answered_by} answered this already, at {at}: one answer counts"
        case AskedState.TIMED_OUT:
            return "the time to answer is over: the task went on without"
        case _:
            return "the run was cancelled: nobody waits for an answer any more"


def _no_such(input_id: str) -> NotFoundError:
    return NotFoundError(f"there is no question {input_id!r} in this team; list them: leasehold inputs list")
