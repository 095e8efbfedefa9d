"""Plans by DAG version. A version never changes, so what was read once is kept."""

from __future__ import annotations

import threading
from collections import OrderedDict

from sqlalchemy import Connection, select

from leasehold_api.dags.plan import MAX_MAP_LENGTH, Plan
from leasehold_api.storage.sql_previous import may_name_previous
from leasehold_api.storage.tables import dag_versions, dags
from leasehold_protocol.v1.manifest import Manifest

MOST = 256


class Plans:
    """The plans that were used last. Safe in any thread."""

    def __init__(self, *, max_map_length: int = MAX_MAP_LENGTH) -> None:
        self._max_map_length = max_map_length
        self._plans: OrderedDict[str, Plan] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, connection: Connection, version_id: str) -> Plan:
        """Return the plan of a version that exists."""
        with self._lock:
            if plan := self._plans.get(version_id):
                self._plans.move_to_end(version_id)
                return plan
        query = (
            select(dag_versions.c.manifest, dag_versions.c.version, dags.c.name, dag_versions.c.signature)
            .join(dags, dags.c.id == dag_versions.c.dag_id)
            .where(dag_versions.c.id == version_id)
        )
        manifest, version, name, signature = connection.execute(query).one()
        plan = Plan(
            Manifest.model_validate_json(manifest),
            version_id=version_id,
            dag=name,
            version=version,
            signature=signature,
            names_previous=may_name_previous(manifest),
            max_map_length=self._max_map_length,
        )
        with self._lock:
            self._plans[version_id] = plan
            while len(self._plans) > MOST:
                self._plans.popitem(last=False)
        return plan
