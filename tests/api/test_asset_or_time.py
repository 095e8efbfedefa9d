"""DAGs go by time and by assets on both databases."""

from __future__ import annotations

from tests.api.contracts.asset_or_time import AssetOrTimeContract


class TestOnSqlite(AssetOrTimeContract):
    kind = "sqlite"


class TestOnPostgresql(AssetOrTimeContract):
    kind = "postgresql"
