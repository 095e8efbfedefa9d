"""Teams, sites, agents and tokens over HTTP, and what follows from changing them."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from leasehold_api import clock
from leasehold_api.fleet.bootstrap import ensure_bootstrap
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage import tables
from leasehold_api.storage.sql_bootstrap import SqlBootstrap
from leasehold_api.storage.sql_fleet import rematch_placement
from tests.support.api_server import Api, EnrolledAgent, on_both_stores, open_api
from tests.support.databases import open_database

SITES = "/v1/teams/default/sites"


async def test_a_site_is_made_then_changed(api: Api) -> None:
    made = await api.as_person("PUT", f"{SITES}/north", json={"labels": {"os": "linux"}, "max_slots": 8})
    changed = await api.as_person("PUT", f"{SITES}/north", json={"labels": {"os": "windows"}})

    assert (made.status_code, changed.status_code) == (201, 200)
    shown = (await api.as_person("GET", f"{SITES}/north")).json()
    assert (shown["labels"], shown["max_slots"], shown["agents"]) == ({"os": "windows"}, 64, 0)


@pytest.mark.parametrize(
    ("name", "body"),
    [("bad%20name", {}), ("north", {"max_slots": 0}), ("north", {"labels": {"a b": "c"}}), ("north", {"labels": 7})],
)
async def test_a_site_that_does_not_fit_is_refused(api: Api, name: str, body: dict[str, Any]) -> None:
    answer = await api.as_person("PUT", f"{SITES}/{name}", json=body)

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"


async def test_lists_come_in_parts(api: Api) -> None:
    for name in ("a", "b", "c"):
        await api.make_site(name)

    first = (await api.as_person("GET", f"{SITES}?limit=2")).json()
    rest = (await api.as_person("GET", f"{SITES}?limit=2&after={first['next']}")).json()

    assert [site["name"] for site in first["items"]] == ["a", "b"]
    assert [site["name"] for site in rest["items"]] == ["c"]
    assert rest["next"] is None


@on_both_stores
async def test_a_site_with_a_working_agent_is_not_removed(api: Api, north: EnrolledAgent) -> None:
    refused = await api.as_person("DELETE", f"{SITES}/north")
    await api.as_person("POST", f"/v1/teams/default/agents/{north.id}/lock", json={"reason": "moving out"})
    removed = await api.as_person("DELETE", f"{SITES}/north")

    assert refused.status_code == 409
    assert "lock them first" in refused.json()["detail"]
    assert removed.status_code == 204
    assert (await api.as_person("GET", f"{SITES}/north")).status_code == 404


async def _placement(api: Api, placement: str, **needs: Any) -> None:
    canonical = {"connections": [], "labels": {}, "runtime": "python", **needs}
    query = select(tables.teams.c.id).where(tables.teams.c.name == "default")
    team_id = await api.read(lambda connection: connection.execute(query).scalar_one())

    def operation(tx: Any) -> None:
        row = {"id": placement, "team_id": team_id, "needs": json.dumps(canonical)}
        tx.run(insert(tables.placements), row)
        rematch_placement(tx, placement, team_id, canonical)

    await api.database.write(operation)


async def _matches(api: Api) -> set[tuple[str, str]]:
    query = select(tables.sites.c.name, tables.site_placements.c.placement_id).join(
        tables.site_placements, tables.site_placements.c.site_id == tables.sites.c.id
    )
    return {(row.name, row.placement_id) for row in await api.read(lambda c: c.execute(query).all())}


@on_both_stores
async def test_placements_follow_labels_and_grants(api: Api) -> None:
    await api.make_site("north", labels={"gpu": "1"})
    await api.make_site("south")
    connection = {"conn_type": "sqlite", "sites": ["south"]}
    await api.as_person("PUT", "/v1/teams/default/connections/plant_db", json=connection)

    await _placement(api, "any")
    await _placement(api, "gpu", labels={"gpu": ">=1"})
    await _placement(api, "db", connections=["plant_db"])
    at_first = await _matches(api)
    await api.make_site("south", labels={"gpu": "2"})
    await api.make_site("north", labels={})
    relabelled = await _matches(api)
    await api.as_person("PUT", "/v1/teams/default/connections/plant_db", json=connection | {"sites": ["north"]})
    regranted = await _matches(api)
    await api.as_person("DELETE", "/v1/teams/default/connections/plant_db")
    await api.make_site("west")
    at_last = await _matches(api)

    everywhere = {("north", "any"), ("south", "any")}
    assert at_first == everywhere | {("north", "gpu"), ("south", "db")}
    assert relabelled == everywhere | {("south", "gpu"), ("south", "db")}
    assert regranted == everywhere | {("south", "gpu"), ("north", "db")}
    assert at_last == everywhere | {("south", "gpu"), ("west", "any")}


async def test_whoever_waits_at_a_site_is_told_when_its_offer_changes() -> None:
    with open_database("sqlite") as (database, published):
        row = {"id": "team_1", "name": "default", "created_at": 0.0}
        site = {"id": "site_1", "team_id": "team_1", "name": "n", "labels": "{}", "max_slots": 1, "description": ""}
        placement = {"id": "pl_1", "team_id": "team_1", "needs": "{}"}

        def operation(tx: Any) -> None:
            tx.run(insert(tables.teams), row)
            tx.run(insert(tables.sites), {**site, "created_at": 0.0})
            tx.run(insert(tables.placements), placement)
            rematch_placement(tx, "pl_1", "team_1", {})

        await database.write(operation)

        assert published == [Signal(Topic.OFFERS, "site_1")]


@on_both_stores
async def test_an_agent_is_shown_as_it_stands(api: Api, north: EnrolledAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/v1/teams/default/agents/{north.id}"
    at_first = (await api.as_person("GET", path)).json()
    hello = {
        "agent_version": "0.1.0",
        "protocol_min": 1,
        "protocol_max": 1,
        "slots": 4,
        "host": {"hostname": "n1", "os": "linux", "arch": "x86_64", "cpus": 4, "python": "3.11"},
        "runtimes": ["python", "program", "container"],
        "pythons": ["3.11.2", "3.12.4"],
    }
    said = await north.call("POST", "/v1/agent/hello", json=hello)
    connected = (await api.as_person("GET", "/v1/teams/default/agents/north-1")).json()
    later = clock.now() + 61
    monkeypatch.setattr(clock, "now", lambda: later)
    disconnected = (await api.as_person("GET", path)).json()

    assert said.status_code == 200, said.text
    assert [agent["status"] for agent in (at_first, connected, disconnected)] == [
        "never_seen",
        "connected",
        "disconnected",
    ]
    assert connected["host"]["hostname"] == "n1"
    assert connected["key_thumbprint"] == north.key.jkt
    assert (at_first["runtimes"], at_first["pythons"]) == (None, None)
    assert connected["runtimes"] == ["container", "program", "python"]
    assert connected["pythons"] == ["3.11.2", "3.12.4"]


async def test_a_name_that_two_agents_have_does_not_choose_one(api: Api, north: EnrolledAgent) -> None:
    await api.enrol("north")

    answer = await api.as_person("POST", "/v1/teams/default/agents/north-1/lock", json={"reason": "which?"})

    assert answer.status_code == 404
    assert "use the id" in answer.json()["detail"]


async def test_a_lock_needs_a_reason_and_keeps_the_first(api: Api, north: EnrolledAgent) -> None:
    path = f"/v1/teams/default/agents/{north.id}/lock"

    refused = await api.as_person("POST", path, json={})
    await api.as_person("POST", path, json={"reason": "first"})
    again = await api.as_person("POST", path, json={"reason": "second"})

    assert refused.status_code == 422
    assert again.json()["locked_because"] == "first"
    assert len(await api.audited("agent.locked")) == 1


async def test_a_used_enrolment_token_can_not_be_revoked(api: Api, north: EnrolledAgent) -> None:
    used = (await api.as_person("GET", "/v1/teams/default/enrolment-tokens")).json()["items"][0]

    answer = await api.as_person("DELETE", f"/v1/teams/default/enrolment-tokens/{used['id']}")

    assert used["used_by"] == north.id
    assert answer.status_code == 409
    assert "lock that agent" in answer.json()["detail"]


@pytest.mark.parametrize("seconds", [0, -1, 86401])
async def test_an_enrolment_token_lives_a_day_at_most(api: Api, seconds: float) -> None:
    await api.make_site("north")

    answer = await api.as_person("POST", f"{SITES}/north/enrolment-tokens", json={"expires_in_s": seconds})

    assert answer.status_code == 422


async def test_a_token_for_a_site_that_is_not_there_is_refused(api: Api) -> None:
    answer = await api.as_person("POST", f"{SITES}/nowhere/enrolment-tokens", json={})

    assert answer.status_code == 404
    assert "create it first" in answer.json()["detail"]


async def test_a_team_is_made_once(api: Api) -> None:
    await api.make_team("rivals")

    again = await api.as_person("POST", "/v1/teams", json={"name": "rivals"})

    assert again.json()["code"] == "already_exists"
    assert [team["name"] for team in (await api.as_person("GET", "/v1/teams")).json()["items"]] == ["default", "rivals"]


async def test_teams_do_not_see_each_other(api: Api, north: EnrolledAgent) -> None:
    await api.make_team("rivals")
    rival = await api.make_api_token("admin", team="rivals")

    foreign = await api.as_person("GET", "/v1/teams/default/agents", token=rival)
    unknown = await api.as_person("GET", "/v1/teams/none/agents", token=rival)
    through_own = await api.as_person("GET", f"/v1/teams/rivals/agents/{north.id}", token=rival)
    lock = await api.as_person(
        "POST", f"/v1/teams/rivals/agents/{north.id}/lock", token=rival, json={"reason": "sabotage"}
    )
    teams = await api.as_person("GET", "/v1/teams", token=rival)

    assert [answer.status_code for answer in (foreign, unknown, through_own, lock)] == [404] * 4
    assert foreign.json()["detail"].replace("default", "none") == unknown.json()["detail"]
    assert [team["name"] for team in teams.json()["items"]] == ["rivals"]


async def test_a_rivals_token_can_not_be_revoked(api: Api) -> None:
    await api.make_team("rivals")
    rival = await api.make_api_token("admin", team="rivals")
    mine = (await api.make_api_token("viewer")).partition(".")[0]

    answer = await api.as_person("DELETE", f"/v1/teams/rivals/api-tokens/{mine}", token=rival)

    assert answer.status_code == 404


async def test_the_first_start_leaves_a_token_that_only_the_server_reads(tmp_path: Path) -> None:
    async with open_api(tmp_path / "state") as api:
        query = select(tables.api_tokens)
        stored = await api.read(lambda connection: connection.execute(query).one())
    file = tmp_path / "state" / "bootstrap.token"

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stored.secret_sha256 == hashlib.sha256(file.read_text().strip().encode()).hexdigest()
    assert [path.name for path in file.parent.glob("*bootstrap*")] == ["bootstrap.token"]


async def test_later_starts_leave_the_first_token_alone(tmp_path: Path) -> None:
    async with open_api(tmp_path / "state") as api:
        first = api.admin_token
    (tmp_path / "state" / "bootstrap.token").unlink()

    with pytest.raises(FileNotFoundError):
        async with open_api(tmp_path / "state"):
            pass

    assert first.startswith("lht_")


async def test_a_first_start_that_was_cut_short_ends_with_the_token_in_the_file(tmp_path: Path) -> None:
    token = "lht_0123456789ab." + "s" * 43
    (tmp_path / "bootstrap.token").write_text(token + "\n")
    with open_database("sqlite") as (database, _):
        path = await ensure_bootstrap(SqlBootstrap(database), tmp_path, 0.0)
        again = await ensure_bootstrap(SqlBootstrap(database), tmp_path, 1.0)

        stored = await database.read(lambda c: c.execute(select(tables.api_tokens)).one())

    assert (path, again) == (tmp_path / "bootstrap.token", None)
    assert stored.secret_sha256 == hashlib.sha256(token.encode()).hexdigest()
