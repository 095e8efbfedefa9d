"""Enrolments that are issued inside a transaction, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from leasehold_api import clock
from leasehold_api.oauth.kept.store import NewEnrolment
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_oauth import SqlAuthorityStorage
from leasehold_api.storage.tables import sites
from tests.api.contracts.enrolments import EnrolmentContract, issuing
from tests.support.api_server import Api, on_both_stores


@on_both_stores
class TestSqlEnrolments(EnrolmentContract):
    async def now(self) -> float:
        return clock.now()

    async def place(self, api: Api) -> tuple[str, str]:
        query = select(sites.c.id, sites.c.team_id)
        row = await api.read(lambda connection: connection.execute(query).one())
        return str(row.id), str(row.team_id)

    async def transact(self, api: Api, enrolment: NewEnrolment, *, fails: bool = False) -> None:
        operation: Any = issuing(enrolment, fails=fails)
        await SqlAuthorityStorage(api.database, Plans()).transact(operation)


def test_one_that_would_let_in_anybody_can_not_be_made() -> None:
    with pytest.raises(ValueError, match="secret or a key"):
        NewEnrolment(
            id="enr_0123456789ab",
            secret_sha256=None,
            bound_jkt=None,
            site_id="s",
            team_id="t",
            created_by="x",
            created_at=0.0,
            expires_at=0.0,
        )
