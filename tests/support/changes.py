"""Every change that people can make by a route, made ready: what has to be there first, and the request."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests.support.agent_key import AgentKey
from tests.support.api_server import Api, EnrolledAgent

T = "/v1/teams/default"
ADDRESS = "127.0.0.1"
MANIFEST = {
    "dag": "sensors",
    "tasks": [{"id": "extract", "work": {"kind": "program", "argv": [{"kind": "literal", "value": "true"}]}}],
}
BUNDLE = b"not read before it is run"
PASSWORD = "correct-horse-battery"


class Office:
    """Does what each route is for, once."""

    def __init__(self, api: Api, agent: EnrolledAgent) -> None:
        self.api = api
        self.agent = agent

    async def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = await self.api.as_person(method, path, **more)
        assert answer.is_success, answer.text
        return answer

    async def deployed(self) -> None:
        await self("POST", f"{T}/dags", json={"manifest": MANIFEST})

    async def run(self) -> str:
        await self.deployed()
        return str((await self("POST", f"{T}/dags/sensors/runs", json={})).json()["run"])


Prepared = tuple[str, dict[str, Any]]


async def _team(_office: Office) -> Prepared:
    return "/v1/teams", {"json": {"name": "metering"}}


async def _site(_office: Office) -> Prepared:
    return f"{T}/sites/south", {"json": {"max_slots": 2}}


async def _empty_site(office: Office) -> Prepared:
    await office.api.make_site("south")
    return f"{T}/sites/south", {}


async def _enrolment_token(_office: Office) -> Prepared:
    return f"{T}/sites/north/enrolment-tokens", {"json": {}}


async def _unknown_key(_office: Office) -> Prepared:
    return f"{T}/sites/north/preregistrations", {"json": {"thumbprint": AgentKey().jkt}}


async def _open_enrolment_token(office: Office) -> Prepared:
    token = await office.api.make_enrolment_token("north")
    return f"{T}/enrolment-tokens/{token.partition('.')[0]}", {}


async def _agent(office: Office) -> Prepared:
    return f"{T}/agents/{office.agent.id}/lock", {"json": {"reason": "laptop stolen"}}


async def _locked_agent(office: Office) -> Prepared:
    await office("POST", f"{T}/agents/{office.agent.id}/lock", json={"reason": "laptop stolen"})
    return f"{T}/agents/{office.agent.id}/unlock", {}


async def _api_token(_office: Office) -> Prepared:
    return f"{T}/api-tokens", {"json": {"name": "ci", "role": "author"}}


async def _live_api_token(office: Office) -> Prepared:
    token = await office.api.make_api_token("viewer")
    return f"{T}/api-tokens/{token.partition('.')[0]}", {}


async def _service_client(_office: Office) -> Prepared:
    return f"{T}/service-clients", {"json": {"name": f"ci-{secrets.token_hex(4)}", "role": "author"}}


async def _known_service_client(office: Office) -> str:
    path, body = await _service_client(office)
    return f"{path}/{(await office('POST', path, **body)).json()['id']}"


async def _lockable_client(office: Office) -> Prepared:
    return f"{await _known_service_client(office)}/lock", {"json": {"reason": "its secret leaked"}}


async def _locked_client(office: Office) -> Prepared:
    path, body = await _lockable_client(office)
    await office("POST", path, **body)
    return path.replace("/lock", "/unlock"), {}


async def _client_with_secret(office: Office) -> Prepared:
    return f"{await _known_service_client(office)}/secret", {}


async def _removable_client(office: Office) -> Prepared:
    return await _known_service_client(office), {}


async def _connection(_office: Office) -> Prepared:
    fields = {"conn_type": "postgres", "host": "db", "login": "reader", "password": PASSWORD, "sites": ["north"]}
    return f"{T}/connections/plant_db", {"json": fields}


async def _known_connection(office: Office) -> Prepared:
    path, body = await _connection(office)
    await office("PUT", path, **body)
    return path, {}


async def _variable(_office: Office) -> Prepared:
    return f"{T}/variables/limit", {"json": {"value": PASSWORD}}


async def _known_variable(office: Office) -> Prepared:
    path, body = await _variable(office)
    await office("PUT", path, **body)
    return path, {}


async def _bundle(_office: Office) -> Prepared:
    return f"{T}/bundles/{hashlib.sha256(BUNDLE).hexdigest()}", {"content": BUNDLE}


async def _dag(_office: Office) -> Prepared:
    return f"{T}/dags", {"json": {"manifest": MANIFEST}}


async def _run(office: Office) -> Prepared:
    await office.deployed()
    return f"{T}/dags/sensors/runs", {"json": {}}


async def _pausable_dag(office: Office) -> Prepared:
    await office.deployed()
    return f"{T}/dags/sensors/pause", {"json": {"note": "the plant is closed"}}


async def _paused_dag(office: Office) -> Prepared:
    path, body = await _pausable_dag(office)
    await office("POST", path, **body)
    return f"{T}/dags/sensors/unpause", {}


async def _past_dates(office: Office) -> Prepared:
    await office(
        "POST", f"{T}/dags", json={"manifest": MANIFEST | {"dag": "hourly", "schedule": {"cron": ["@hourly"]}}}
    )
    for each in (await office("GET", f"{T}/backfills")).json()["items"]:
        if each["state"] == "running":
            await office("POST", f"{T}/backfills/{each['backfill']}/cancel")
    dates = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-01T03:00:00Z", "reprocess": "completed"}
    return f"{T}/dags/hourly/backfills", {"json": dates}


async def _running_backfill(office: Office) -> Prepared:
    path, body = await _past_dates(office)
    backfill = (await office("POST", path, **body)).json()["backfill"]
    return f"{T}/backfills/{backfill}/cancel", {}


async def _running_run(office: Office) -> Prepared:
    return f"{T}/runs/{await office.run()}/cancel", {"json": {"reason": "enough"}}


async def _over_run(office: Office) -> Prepared:
    path, body = await _running_run(office)
    await office("POST", path, **body)
    return path.replace("/cancel", "/retry"), {"json": {"reason": "the right day after all"}}


async def _markable_task(office: Office) -> Prepared:
    return f"{T}/runs/{await office.run()}/tasks/extract/mark", {"json": {"state": "success"}}


async def _cancellable_task(office: Office) -> Prepared:
    return f"{T}/runs/{await office.run()}/tasks/extract/cancel", {"json": {"reason": "enough"}}


async def _waiting_run(office: Office) -> Prepared:
    return f"{T}/runs/{await office.run()}/priority", {"json": {"priority": 9}}


async def _deletable_run(office: Office) -> Prepared:
    path, body = await _running_run(office)
    await office("POST", path, **body)
    return path.removesuffix("/cancel"), {}


async def _old_runs(office: Office) -> Prepared:
    for _ in range(2):  # the newest of a DAG stays
        path, body = await _running_run(office)
        await office("POST", path, **body)
    return f"{T}/prune", {"json": {"older_than_days": 1e-9, "dry_run": False}}


async def _dead_webhook(office: Office) -> Prepared:
    manifest = MANIFEST | {"dag": "told", "on_success": ["http://127.0.0.1:1/"]}  # refused: it is no https:// address
    await office("POST", f"{T}/dags", json={"manifest": manifest})
    run = (await office("POST", f"{T}/dags/told/runs", json={})).json()["run"]
    await office("POST", f"{T}/runs/{run}/tasks/extract/mark", json={"state": "success"})
    for _ in range(200):
        found = (await office("GET", f"{T}/webhooks", params={"state": "dead"})).json()["items"]
        if found:
            return f"{T}/webhooks/{found[0]['webhook']}/retry", {}
        await asyncio.sleep(0.05)
    raise AssertionError("the webhook was not given up")


async def _lockable_site(office: Office) -> Prepared:
    await office("PUT", f"{T}/sites/cellar", json={})
    return f"{T}/sites/cellar/lock", {"json": {"reason": "flooded"}}


async def _locked_site(office: Office) -> Prepared:
    path, body = await _lockable_site(office)
    await office("POST", path, **body)
    return f"{T}/sites/cellar/unlock", {}


async def _plain_site(office: Office) -> Prepared:
    await office("PUT", f"{T}/sites/attic", json={})
    return f"{T}/sites/attic/trust", {}


async def _trusted_site(office: Office) -> Prepared:
    path, body = await _plain_site(office)
    await office("POST", path, **body)
    return f"{T}/sites/attic/untrust", {}


async def _user(_office: Office) -> Prepared:
    return "/v1/users", {"json": {"name": "author-1", "roles": {"default": "author"}}}


def _of_user(what: str, *, locked: bool = False, **body: Any) -> Callable[[Office], Awaitable[Prepared]]:
    async def prepare(office: Office) -> Prepared:
        if (await office.api.as_person("GET", _U)).status_code == 200:
            await office("DELETE", _U)  # an earlier route's
        await office("POST", "/v1/users", json={"name": "author-2"})
        if locked:
            await office("POST", "/v1/users/author-2/lock", json={"reason": "left"})
        await office("PUT", f"{T}/members/author-2", json={"role": "viewer"})
        return what, {"json": body} if body else {}

    return prepare


async def _pausable_agent(office: Office) -> Prepared:
    return f"{T}/agents/{office.agent.id}/pause", {"json": {"note": "network is rebuilt", "for_s": 3600}}


async def _drainable_agent(office: Office) -> Prepared:
    return f"{T}/agents/{office.agent.id}/drain", {"json": {"note": "machine is replaced"}}


async def _paused_agent(office: Office) -> Prepared:
    path, body = await _pausable_agent(office)
    await office("POST", path, **body)
    return f"{T}/agents/{office.agent.id}/resume", {}


async def _agent_with_slots(office: Office) -> Prepared:
    return f"{T}/agents/{office.agent.id}/slots", {"json": {"slots": 2, "note": "little memory"}}


async def _asked_question(office: Office) -> Prepared:
    await office.run()
    leased = await office.agent.call("POST", "/v1/agent/leases", json={"free_slots": 1, "wait_s": 0})
    [claimed] = leased.json()["leases"]
    wait = {"key": "ship", "kind": "question", "question": {"question": "Ship?", "options": ["yes", "no"]}}
    ending = {"kind": "deferred", "ended_at": "2026-11-22T06:00:00Z", "wait": wait}
    batch = {"outcomes": [{"attempt": claimed["attempt"], "ending": ending}]}
    answer = await office.agent.call("POST", "/v1/agent/outcomes", json=batch)
    assert answer.json()["outcomes"][0]["verdict"] == "recorded", answer.text
    [asked] = (await office("GET", f"{T}/inputs", params={"state": "open"})).json()["items"]
    return f"{T}/inputs/{asked['input']}/answer", {"json": {"chosen": ["yes"]}}


async def _event(_office: Office) -> Prepared:
    return f"{T}/events", {"json": {"name": "plant/opens", "value": {"tons": 3}}}


async def _pool(_office: Office) -> Prepared:
    return f"{T}/pools/db", {"json": {"slots": 4}}


async def _known_pool(office: Office) -> Prepared:
    path, body = await _pool(office)
    await office("PUT", path, **body)
    return path, {}


async def _team_limits(_office: Office) -> Prepared:
    return f"{T}/limits", {"json": {"max_running": 500}}


_TT = "/v1/teams/{team}"
_U = "/v1/users/author-2"
PREPARED: dict[tuple[str, str], tuple[Callable[[Office], Awaitable[Prepared]], str]] = {
    # First, while the agent may still take a lease.
    ("POST", f"{_TT}/inputs/{{input}}/answer"): (_asked_question, "input.answered"),
    ("POST", "/v1/teams"): (_team, "team.created"),
    ("PUT", f"{_TT}/sites/{{site}}"): (_site, "site.created"),
    ("DELETE", f"{_TT}/sites/{{site}}"): (_empty_site, "site.deleted"),
    ("POST", f"{_TT}/sites/{{site}}/enrolment-tokens"): (_enrolment_token, "enrolment_token.issued"),
    ("POST", f"{_TT}/sites/{{site}}/preregistrations"): (_unknown_key, "key.preregistered"),
    ("DELETE", f"{_TT}/enrolment-tokens/{{token}}"): (_open_enrolment_token, "enrolment_token.revoked"),
    ("POST", f"{_TT}/sites/{{site}}/lock"): (_lockable_site, "site.locked"),
    ("POST", f"{_TT}/sites/{{site}}/unlock"): (_locked_site, "site.unlocked"),
    ("POST", f"{_TT}/sites/{{site}}/trust"): (_plain_site, "site.trusted"),
    ("POST", f"{_TT}/sites/{{site}}/untrust"): (_trusted_site, "site.untrusted"),
    ("POST", f"{_TT}/agents/{{agent}}/lock"): (_agent, "agent.locked"),
    ("POST", f"{_TT}/agents/{{agent}}/unlock"): (_locked_agent, "agent.unlocked"),
    ("POST", f"{_TT}/agents/{{agent}}/pause"): (_pausable_agent, "agent.paused"),
    ("POST", f"{_TT}/agents/{{agent}}/drain"): (_drainable_agent, "agent.drained"),
    ("POST", f"{_TT}/agents/{{agent}}/resume"): (_paused_agent, "agent.resumed"),
    ("POST", f"{_TT}/agents/{{agent}}/slots"): (_agent_with_slots, "agent.slots_set"),
    ("POST", f"{_TT}/api-tokens"): (_api_token, "api_token.issued"),
    ("DELETE", f"{_TT}/api-tokens/{{token}}"): (_live_api_token, "api_token.revoked"),
    ("POST", f"{_TT}/service-clients"): (_service_client, "service_client.created"),
    ("POST", f"{_TT}/service-clients/{{client}}/lock"): (_lockable_client, "service_client.locked"),
    ("POST", f"{_TT}/service-clients/{{client}}/unlock"): (_locked_client, "service_client.unlocked"),
    ("POST", f"{_TT}/service-clients/{{client}}/secret"): (_client_with_secret, "service_client.secret_rotated"),
    ("DELETE", f"{_TT}/service-clients/{{client}}"): (_removable_client, "service_client.removed"),
    ("PUT", f"{_TT}/connections/{{connection}}"): (_connection, "connection.created"),
    ("DELETE", f"{_TT}/connections/{{connection}}"): (_known_connection, "connection.deleted"),
    ("PUT", f"{_TT}/variables/{{key:path}}"): (_variable, "variable.created"),
    ("DELETE", f"{_TT}/variables/{{key:path}}"): (_known_variable, "variable.deleted"),
    ("PUT", f"{_TT}/pools/{{pool}}"): (_pool, "pool.created"),
    ("DELETE", f"{_TT}/pools/{{pool}}"): (_known_pool, "pool.deleted"),
    ("PUT", f"{_TT}/limits"): (_team_limits, "team.limited"),
    ("PUT", f"{_TT}/bundles/{{sha256}}"): (_bundle, "bundle.sent"),
    ("POST", f"{_TT}/dags"): (_dag, "dag.deployed"),
    ("POST", f"{_TT}/dags/{{dag}}/runs"): (_run, "run.triggered"),
    ("POST", f"{_TT}/runs/{{run}}/cancel"): (_running_run, "run.cancelled"),
    ("DELETE", f"{_TT}/runs/{{run}}"): (_deletable_run, "run.deleted"),
    ("POST", f"{_TT}/prune"): (_old_runs, "runs.pruned"),
    ("POST", f"{_TT}/runs/{{run}}/retry"): (_over_run, "run.retried"),
    ("POST", f"{_TT}/runs/{{run}}/priority"): (_waiting_run, "run.priority_set"),
    ("POST", f"{_TT}/runs/{{run}}/tasks/{{task}}/mark"): (_markable_task, "task.marked"),
    ("POST", f"{_TT}/runs/{{run}}/tasks/{{task}}/cancel"): (_cancellable_task, "task.cancelled"),
    ("POST", f"{_TT}/webhooks/{{webhook}}/retry"): (_dead_webhook, "webhook.retried"),
    ("POST", f"{_TT}/dags/{{dag}}/pause"): (_pausable_dag, "dag.paused"),
    ("POST", f"{_TT}/dags/{{dag}}/unpause"): (_paused_dag, "dag.unpaused"),
    ("POST", f"{_TT}/dags/{{dag}}/backfills"): (_past_dates, "backfill.begun"),
    ("POST", f"{_TT}/backfills/{{backfill}}/cancel"): (_running_backfill, "backfill.cancelled"),
    ("POST", f"{_TT}/events"): (_event, "event.sent"),
    ("POST", "/v1/users"): (_user, "user.invited"),
    ("POST", "/v1/users/{user}/lock"): (_of_user(f"{_U}/lock", reason="left"), "user.locked"),
    ("POST", "/v1/users/{user}/unlock"): (_of_user(f"{_U}/unlock", locked=True), "user.unlocked"),
    ("POST", "/v1/users/{user}/reset"): (_of_user(f"{_U}/reset"), "user.reset"),
    ("PUT", "/v1/users/{user}/platform-admin"): (
        _of_user(f"{_U}/platform-admin", is_platform_admin=True),
        "user.platform_admin",
    ),
    ("DELETE", "/v1/users/{user}"): (_of_user(_U), "user.deleted"),
    ("PUT", f"{_TT}/members/{{user}}"): (_of_user(f"{T}/members/author-2", role="author"), "member.set"),
    ("DELETE", f"{_TT}/members/{{user}}"): (_of_user(f"{T}/members/author-2"), "member.removed"),
}
"""For every route by which people change something: what to send, and the action of the row that it leaves."""
