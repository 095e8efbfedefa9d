"""The audit lines of secret references."""

from __future__ import annotations

from leasehold_api.callers import TaskCaller
from leasehold_api.context.resolving import Noted
from leasehold_api.storage import sql_audit, sql_entitlement
from leasehold_api.storage.database import Database
from leasehold_api.storage.writer import Transaction


class SqlReferenceLog:
    """Implements ``leasehold_api.context.resolving.ReferenceLog``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, reader: TaskCaller, noted: list[Noted], *, now: float) -> bool:
        """Audit what was looked up; see the port."""

        def operation(tx: Transaction) -> bool:
            runs = sql_entitlement.lease_runs(tx, reader)
            for each in noted:
                sql_audit.record(
                    tx,
                    at=now,
                    actor=f"task:{reader.attempt}",
                    action="reference.read",
                    object=each.reference,
                    result=each.result if runs else "lease_lost",
                    team_id=reader.team_id,
                    address=reader.address,
                    detail={
                        "of": each.of,
                        "agent": reader.agent_id,
                        "dag": reader.dag,
                        "task": reader.task,
                        "run": reader.run,
                        **({} if each.lease is None else {"lease": each.lease}),
                    },
                )
            return runs

        return await self._database.write(operation)
