"""Who did what: every route by which people change something leaves a row, and so does every refusal."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select

from leasehold_api.http.access import ACCESS, Kind
from leasehold_api.storage import tables
from leasehold_protocol.v1.fleet import Role
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, Api, EnrolledAgent
from tests.support.changes import ADDRESS, PASSWORD, PREPARED, Office, T

CHANGES = {
    route: needed
    for route, needed in ACCESS.items()
    if needed.kind in {Kind.PERSON, Kind.PLATFORM_ADMIN, Kind.TEAM} and route[0] not in {"GET", "HEAD"}
}


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
    assert ACCESS["GET", "/v1/teams/{team}/audit"].role is Role.ADMIN
    assert ACCESS["GET", "/v1/audit"].kind is Kind.PLATFORM_ADMIN
