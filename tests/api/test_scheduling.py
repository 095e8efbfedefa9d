"""A whole API begins what is due by itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_server import Api, EnrolledAgent
from tests.support.changes import MANIFEST, T

WAIT = {"free_slots": 1, "wait_s": 30}


async def deploy(api: Api, **more: Any) -> Any:
    return await api.as_person("POST", f"{T}/dags", json={"manifest": MANIFEST | more})


async def leased(agent: EnrolledAgent) -> Any:
    answer = await agent.call("POST", "/v1/agent/leases", json=WAIT)
    (lease,) = answer.json()["leases"]
    return lease


async def test_an_agent_gets_what_the_schedule_began(api: Api, north: EnrolledAgent) -> None:
    await deploy(api, schedule={"every_s": 1})

    lease = await leased(north)

    assert lease["run"]["trigger"] == "scheduled"
    assert lease["run"]["data_interval_end"] == lease["run"]["logical_date"]


async def test_an_agent_gets_what_a_backfill_began_while_the_dag_is_paused(api: Api, north: EnrolledAgent) -> None:
    await deploy(api, schedule={"cron": ["@daily"]})
    await api.as_person("POST", f"{T}/dags/sensors/pause", json={"note": "the plant is closed"})

    dates = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-01T12:00:00Z"}
    begun = await api.as_person("POST", f"{T}/dags/sensors/backfills", json=dates)

    lease = await leased(north)
    assert (begun.status_code, lease["run"]["logical_date"]) == (201, "2026-11-01T00:00:00Z")
    shown = (await api.as_person("GET", f"{T}/dags/sensors")).json()["schedule"]
    assert shown["waits"].endswith(": the plant is closed")


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ({"cron": ["0 25 * * *"]}, "hour"),
        ({"cron": ["@daily"], "every_s": 60}, "one of"),
        ({"cron": ["@daily"], "catchup": True}, "catchup needs a start"),
        ({"continuous": True}, "max_active_runs=1"),
        ({"cron": ["@daily"], "start": "2026-11-01"}, "UTC offset"),
    ],
)
async def test_a_schedule_that_can_not_be_kept_is_refused(api: Api, schedule: dict[str, Any], problem: str) -> None:
    answer = await deploy(api, schedule=schedule)

    assert answer.status_code == 422
    assert problem in answer.text


async def test_a_scheduled_dag_needs_defaults(api: Api) -> None:
    schema = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}

    answer = await deploy(api, schedule={"cron": ["@daily"]}, params_schema=schema)

    assert answer.status_code == 422
    assert "nobody gives a run parameters that begins by itself" in answer.text
