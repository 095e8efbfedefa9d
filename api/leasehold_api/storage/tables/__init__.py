"""Every table of the API. Times are seconds since 1970 (UTC), ids are text, JSON is text for the code that owns it."""

from __future__ import annotations

from leasehold_api.storage.tables.assets import asset_aliases, asset_declarations, asset_events, asset_state, assets
from leasehold_api.storage.tables.audit import audit
from leasehold_api.storage.tables.context import connection_grants, connections, variables
from leasehold_api.storage.tables.fleet import (
    agents,
    api_tokens,
    enrolment_tokens,
    signing_keys,
    sites,
    teams,
    used_jtis,
)
from leasehold_api.storage.tables.limits import limit_holds, limits, line_limits, lines
from leasehold_api.storage.tables.oauth import (
    oauth_codes,
    oauth_devices,
    oauth_refresh_tokens,
    oauth_sign_ins,
    revoked_jtis,
    service_clients,
)
from leasehold_api.storage.tables.people import (
    browser_sessions,
    memberships,
    pending_sign_ins,
    sign_in_links,
    users,
)
from leasehold_api.storage.tables.retention import thinned, unneeded_blobs
from leasehold_api.storage.tables.schedules import (
    asset_arrivals,
    asset_watchers,
    backfills,
    run_asset_events,
    schedules,
)
from leasehold_api.storage.tables.schema import metadata
from leasehold_api.storage.tables.waiting import events, task_state, waits
from leasehold_api.storage.tables.webhooks import webhooks
from leasehold_api.storage.tables.work import (
    agent_lacks,
    attempts,
    bundles,
    dag_versions,
    dags,
    map_expansions,
    metric_exporter,
    metric_points,
    placements,
    policy_refusals,
    runs,
    site_placements,
    task_instances,
    xcom_files,
    xcoms,
)

__all__ = [
    "agent_lacks",
    "agents",
    "api_tokens",
    "asset_aliases",
    "asset_arrivals",
    "asset_declarations",
    "asset_events",
    "asset_state",
    "asset_watchers",
    "assets",
    "attempts",
    "audit",
    "backfills",
    "browser_sessions",
    "bundles",
    "connection_grants",
    "connections",
    "dag_versions",
    "dags",
    "enrolment_tokens",
    "events",
    "limit_holds",
    "limits",
    "line_limits",
    "lines",
    "map_expansions",
    "memberships",
    "metadata",
    "metric_exporter",
    "metric_points",
    "oauth_codes",
    "oauth_devices",
    "oauth_refresh_tokens",
    "oauth_sign_ins",
    "pending_sign_ins",
    "placements",
    "policy_refusals",
    "revoked_jtis",
    "run_asset_events",
    "runs",
    "schedules",
    "service_clients",
    "sign_in_links",
    "signing_keys",
    "site_placements",
    "sites",
    "task_instances",
    "task_state",
    "teams",
    "thinned",
    "unneeded_blobs",
    "used_jtis",
    "users",
    "variables",
    "waits",
    "webhooks",
    "xcom_files",
    "xcoms",
]
