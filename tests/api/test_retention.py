"""Old runs go as promised on both databases."""

from __future__ import annotations

import pytest

from leasehold_api.runs.retention import kept_days
from tests.api.contracts.retention import RetentionContract


class TestOnSqlite(RetentionContract):
    kind = "sqlite"


class TestOnPostgresql(RetentionContract):
    kind = "postgresql"


@pytest.mark.parametrize(
    ("server", "dag", "kept"), [(None, None, None), (30, None, 30), (None, 7, 7), (30, 7, 7), (30, 90, 30)]
)
def test_of_what_the_server_and_the_dag_say_the_shorter_counts(
    server: float | None, dag: float | None, kept: float | None
) -> None:
    assert kept_days(server, dag) == kept
