"""Writes of many endings in one transaction: the same statement for all of them goes to the database at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import TextClause

from leasehold_api.dags.plan import Plan
from leasehold_api.storage.sql_flow import settle
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.runs import TaskState


class Together:
    """Gathers what final endings write and what follows from them. Nothing of it counts before ``flush``."""

    def __init__(self) -> None:
        self._writes: dict[TextClause, list[dict[str, object]]] = {}
        self._ended: dict[str, tuple[Plan, list[tuple[str, TaskState]]]] = {}

    def write(self, statement: TextClause, parameters: Mapping[str, object]) -> None:
        """Run a statement later, among those of its kind."""
        self._writes.setdefault(statement, []).append(dict(parameters))

    def ended(self, plan: Plan, run: str, ended: Iterable[tuple[str, TaskState]]) -> None:
        """Let these ends take effect later, with the others of their run."""
        self._ended.setdefault(run, (plan, []))[1].extend(ended)

    def flush(self, tx: Transaction, *, now: float) -> None:
        """Do it all, statement by statement in the order in which each was first asked for."""
        for statement, parameters in self._writes.items():
            tx.run(statement, parameters)
        # In one order everywhere, so that two API processes that end instances of the same runs don't block each other.
        for run, (plan, ended) in sorted(self._ended.items(), key=lambda one: one[0]):
            settle(tx, plan, run=run, ended=ended, now=now)
        self._writes.clear()
        self._ended.clear()
