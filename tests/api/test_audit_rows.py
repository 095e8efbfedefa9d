"""Who did what: every route by which people change something leaves a row, and so does every refusal."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from leasehold_api.http.access import ACCESS, Kind
from leasehold_api.storage import tables
from leasehold_protocol.v1.fleet import Role
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, Api, EnrolledAgent

T = "/v1/teams/default"
ADDRESS = "127.0.0.1"
MANIFEST = {
    "dag": "sensors",
    "tasks": [{"id": "extract", "work": {"kind": "program", "argv": [{"kind": "literal", "value": "true"}]}}],
}
BUNDLE = b"not read before it is run"
PASSWORD = "correct-horse-battery"

CHANGES = {
    route: needed
    for route, needed in ACCESS.items()
    if needed.kind in {Kind.PERSON, Kind.PLATFORM_ADMIN, Kind.TEAM} and route[0] not in {"GET", "HEAD"}
}


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


async def _running_run(office: Office) -> Prepared:
    return f"{T}/runs/{await office.run()}/cancel", {"json": {"reason": "enough"}}


async def _lockable_site(office: Office) -> Prepared:
    await office("PUT", f"{T}/sites/cellar", json={})
    return f"{T}/sites/cellar/lock", {"json": {"reason": "flooded"}}


async def _locked_site(office: Office) -> Prepared:
    path, body = await _lockable_site(office)
    await office("POST", path, **body)
    return f"{T}/sites/cellar/unlock", {}


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


_TT = "/v1/teams/{team}"
_U = "/v1/users/author-2"
PREPARED: dict[tuple[str, str], tuple[Callable[[Office], Awaitable[Prepared]], str]] = {
    ("POST", "/v1/teams"): (_team, "team.created"),
    ("PUT", f"{_TT}/sites/{{site}}"): (_site, "site.created"),
    ("DELETE", f"{_TT}/sites/{{site}}"): (_empty_site, "site.deleted"),
    ("POST", f"{_TT}/sites/{{site}}/enrolment-tokens"): (_enrolment_token, "enrolment_token.issued"),
    ("POST", f"{_TT}/sites/{{site}}/preregistrations"): (_unknown_key, "key.preregistered"),
    ("DELETE", f"{_TT}/enrolment-tokens/{{token}}"): (_open_enrolment_token, "enrolment_token.revoked"),
    ("POST", f"{_TT}/sites/{{site}}/lock"): (_lockable_site, "site.locked"),
    ("POST", f"{_TT}/sites/{{site}}/unlock"): (_locked_site, "site.unlocked"),
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
    ("PUT", f"{_TT}/bundles/{{sha256}}"): (_bundle, "bundle.sent"),
    ("POST", f"{_TT}/dags"): (_dag, "dag.deployed"),
    ("POST", f"{_TT}/dags/{{dag}}/runs"): (_run, "run.triggered"),
    ("POST", f"{_TT}/runs/{{run}}/cancel"): (_running_run, "run.cancelled"),
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


async def rows(api: Api) -> list[Any]:
    """Return every row, oldest first, sealed or not."""
    query = select(tables.audit).order_by(tables.audit.c.id)
    return list(await api.read(lambda connection: connection.execute(query).all()))


async def new_rows(api: Api, before: list[Any]) -> list[Any]:
    """Return the rows that came since."""
    known = {row.id for row in before}
    return [row for row in await rows(api) if row.id not in known]


def nowhere(route: str) -> str:
    """Return a path of the route in the default team."""
    path = route.replace("{team}", "default").replace("{sha256}", "0" * 64)
    return re.sub(r"\{\w+(:path)?\}", "no-such-thing", path)


def test_every_changing_route_of_people_is_tried_here() -> None:
    assert set(PREPARED) == set(CHANGES), "add what to send, and the action that is recorded"


@pytest.mark.parametrize("route", PREPARED, ids=" ".join)
async def test_a_change_leaves_one_row_with_who_what_and_from_where(
    api: Api, north: EnrolledAgent, route: tuple[str, str]
) -> None:
    prepare, action = PREPARED[route]
    office = Office(api, north)
    path, body = await prepare(office)
    before = await rows(api)

    await office(route[0], path, **body)

    [row] = await new_rows(api, before)
    assert (row.actor, row.action, row.result, row.address) == ("token:bootstrap", action, "done", ADDRESS)
    assert (row.team_id is None) == route[1].startswith("/v1/users"), "users belong to the platform"


async def test_what_a_known_caller_may_not_do_leaves_one_row_each(api: Api) -> None:
    viewer = await api.make_api_token("viewer")
    wrong = []
    for method, route in CHANGES:
        before = await rows(api)
        answer = await api.as_person(method, nowhere(route), token=viewer, content=b"\x00")
        found = [(row.actor, row.action, row.result, row.address) for row in await new_rows(api, before)]
        if answer.status_code != 403 or found != [("token:viewer-1", "request.refused", "refused", ADDRESS)]:
            wrong.append((method, route, answer.status_code, found))

    assert wrong == []


async def test_a_caller_of_another_team_leaves_a_row_in_its_own(api: Api) -> None:
    await api.make_team("rivals")
    stranger = await api.make_api_token("admin", team="rivals")

    await api.as_person("GET", f"{T}/connections", token=stranger)

    [row] = await api.audited("request.refused")
    teams = dict(
        await api.read(lambda c: [(t.id, t.name) for t in c.execute(select(tables.teams)).all()])  # type: ignore[arg-type]
    )
    assert teams[row.team_id] == "rivals"
    assert row.object == f"{T}/connections"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{T}/sites/no-such-site/enrolment-tokens", {}),
        (f"{T}/api-tokens", {"name": "ci", "role": "emperor"}),
        (f"{T}/dags/no-such-dag/runs", {}),
    ],
)
async def test_a_change_that_does_not_fit_leaves_one_row(api: Api, path: str, body: dict[str, str]) -> None:
    before = await rows(api)

    await api.as_person("POST", path, json=body)

    [row] = await new_rows(api, before)
    assert (row.action, row.result, row.object) == ("request.refused", "refused", path)


async def test_reading_leaves_no_row(api: Api) -> None:
    before = await rows(api)

    await api.as_person("GET", f"{T}/sites")
    await api.as_person("GET", f"{T}/sites/no-such-site")

    assert await new_rows(api, before) == []


async def test_a_refused_sign_in_leaves_a_row_for_the_tokens_team(api: Api) -> None:
    token = await api.make_api_token("viewer")
    token_id = token.partition(".")[0]
    await api.as_person("DELETE", f"{T}/api-tokens/{token_id}")

    await api.as_person("GET", "/v1/whoami", token=token)

    [row] = await api.audited("sign_in.refused")
    assert (row.actor, row.object, row.result, row.address) == ("unknown", token_id, "refused", ADDRESS)
    assert row.team_id is not None
    assert "revoked" in row.detail


async def test_strangers_can_not_fill_the_audit_trail(api: Api) -> None:
    wrong = api.admin_token.partition(".")[0] + "." + "a" * 43

    for _ in range(60):
        await api.as_person("GET", "/v1/whoami", token=wrong)

    assert 30 <= len(await api.audited("sign_in.refused")) <= 35


async def test_an_agent_that_is_refused_a_token_leaves_a_row(api: Api, north: EnrolledAgent) -> None:
    await api.ask_token(AgentKey(), north.id)

    [row] = await api.audited("token.refused")
    assert (row.actor, row.object, row.result, row.address) == ("unknown", north.id, "refused", ADDRESS)
    assert row.team_id is not None


async def test_a_refused_enrolment_leaves_a_row(api: Api) -> None:
    await api.make_site("north")
    token = await api.make_enrolment_token("north")
    token_id = token.partition(".")[0]
    await api.as_person("DELETE", f"{T}/enrolment-tokens/{token_id}")

    await api.ask_enrolment(AgentKey(), token)

    [row] = await api.audited("enrolment.refused")
    assert (row.object, row.address) == (token_id, ADDRESS)
    assert row.team_id is not None


async def test_no_secret_is_in_any_row(api: Api, north: EnrolledAgent) -> None:
    office = Office(api, north)
    shown = [PASSWORD, api.admin_token.partition(".")[2], north.token]
    for (method, _), (prepare, _) in PREPARED.items():
        path, body = await prepare(office)
        answer = await office(method, path, **body)
        made = answer.json() if answer.content else {}
        shown += [made[field].rpartition(".")[2] for field in ("token", "secret", "link") if made.get(field)]
    pasted = await api.make_api_token("viewer")
    shown.append(pasted.partition(".")[2])
    await api.as_person("DELETE", f"{T}/api-tokens/{pasted}")
    await api.client.post("/oauth/token", data={"client_assertion": north.key.assertion(north.id, ISSUER)})

    everything = "\n".join(str(tuple(row)) for row in await rows(api))
    assert pasted.partition(".")[0] in everything
    assert [secret for secret in shown if secret in everything] == []


def test_roles_that_may_read_the_trail_are_admins_only() -> None:
    assert ACCESS["GET", f"{_TT}/audit"].role is Role.ADMIN
    assert ACCESS["GET", "/v1/audit"].kind is Kind.PLATFORM_ADMIN
