"""The audit trail over HTTP: pages, filters, the export, and who may not."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from leasehold_api import clock
from leasehold_api.audit.chain import GENESIS, walk
from leasehold_api.audit.trail import Wanted
from leasehold_api.auditing import verify_file
from leasehold_api.storage.sql_trail import SqlTrail
from leasehold_protocol.v1.audit import AuditRow
from tests.support.api_server import Api, on_both_stores

T = "/v1/teams/default"


async def rows(api: Api, path: str = "/v1/audit", **query: str | int) -> list[AuditRow]:
    """Return one page."""
    await api.house.trail.seal()
    answer = await api.as_person("GET", path, params=query)
    assert answer.status_code == 200, answer.text
    return [AuditRow.model_validate(item) for item in answer.json()["items"]]


async def export(api: Api, path: str) -> bytes:
    """Return the whole export."""
    await api.house.trail.seal()
    headers = {"Authorization": f"Bearer {api.admin_token}", "Accept": "application/x-ndjson"}
    answer = await api.client.get(path, headers=headers)
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return answer.content


@on_both_stores
async def test_the_rows_of_a_running_api_are_one_chain(api: Api) -> None:
    await asyncio.gather(*(api.make_site(f"site-{number}") for number in range(20)))

    found = await rows(api)

    assert found[0].previous_hash == GENESIS
    assert walk(found).broken is None
    assert {f"site-{number}" for number in range(20)} <= {row.object for row in found}


async def test_rows_are_sealed_without_anybody_asking(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: asyncio.Queue[None] = asyncio.Queue()
    seal = SqlTrail.seal

    async def seal_and_tell(trail: SqlTrail) -> bool:
        more = await seal(trail)
        steps.put_nowait(None)
        return more

    monkeypatch.setattr(SqlTrail, "seal", seal_and_tell)
    await api.make_site("north")

    async with asyncio.timeout(20):
        while not await api.house.trail.rows(Wanted(action="site.created"), after=0, limit=1):
            await steps.get()


async def test_pages_follow_each_other_until_the_end(api: Api) -> None:
    for number in range(5):
        await api.make_site(f"site-{number}")
    whole = await rows(api)

    paged: list[int] = []
    after: str | None = "0"
    while after is not None:
        page = (await api.as_person("GET", "/v1/audit", params={"after": after, "limit": 2})).json()
        paged += [item["seq"] for item in page["items"]]
        after = page["next"]

    assert paged == [row.seq for row in whole]


async def test_filters_leave_out_the_rest(api: Api) -> None:
    await api.make_site("north")
    token = await api.make_api_token("operator")
    await api.as_person("PUT", f"{T}/sites/south", token=token, json={})

    assert [row.object for row in await rows(api, action="site.created")] == ["north", "south"]
    assert [row.object for row in await rows(api, actor="token:operator-1")] == ["south"]
    assert await rows(api, since=(clock.instant(clock.now()) + timedelta(hours=1)).isoformat()) == []


async def test_a_team_sees_its_own_rows_only(api: Api) -> None:
    await api.make_team("rivals")
    await api.make_site("secret-site", team="rivals")
    await api.make_site("north")

    objects = [row.object for row in await rows(api, f"{T}/audit")]

    assert "north" in objects
    assert "secret-site" not in objects


async def test_only_admins_read_it(api: Api) -> None:
    await api.make_team("rivals")
    refused = {
        role: (await api.as_person("GET", f"{T}/audit", token=await api.make_api_token(role))).status_code
        for role in ("viewer", "author", "operator", "admin")
    }
    stranger = await api.make_api_token("admin", team="rivals")
    admin = await api.make_api_token("admin")

    assert refused == {"viewer": 403, "author": 403, "operator": 403, "admin": 200}
    assert (await api.as_person("GET", f"{T}/audit", token=stranger)).status_code == 404
    assert (await api.as_person("GET", "/v1/audit", token=admin)).status_code == 403
    assert (await api.client.get("/v1/audit")).status_code == 401


@pytest.mark.parametrize("query", [{"after": "-1"}, {"after": "x"}, {"limit": "0"}, {"since": "yesterday"}])
async def test_what_is_no_part_is_refused(api: Api, query: dict[str, str]) -> None:
    assert (await api.as_person("GET", "/v1/audit", params=query)).status_code == 422


async def test_the_export_has_every_row_and_verifies_as_a_file(api: Api, tmp_path: Path) -> None:
    for number in range(3):
        await api.make_site(f"sité-{number}".replace("é", "e"), description="ünïcode\u2028")
    exported = tmp_path / "audit.ndjson"

    exported.write_bytes(await export(api, "/v1/audit"))

    verdict = verify_file(exported, is_part=False, noted=None)
    assert verdict.broken is None
    assert verdict.rows == len(await rows(api))


async def test_a_teams_export_verifies_as_a_part(api: Api, tmp_path: Path) -> None:
    await api.make_team("rivals")
    await api.make_site("north")
    await api.make_site("south", team="rivals")
    await api.make_site("west")
    exported = tmp_path / "audit.ndjson"
    exported.write_bytes(await export(api, f"{T}/audit"))

    whole = verify_file(exported, is_part=False, noted=None).broken
    assert whole is not None
    assert whole.kind == "removed"
    assert verify_file(exported, is_part=True, noted=None).broken is None

    exported.write_bytes(exported.read_bytes().replace(b'"west"', b'"best"'))
    broken = verify_file(exported, is_part=True, noted=None).broken
    assert broken is not None
    assert broken.kind == "changed"


async def test_lines_in_another_order_are_found(api: Api, tmp_path: Path) -> None:
    for number in range(4):
        await api.make_site(f"site-{number}")
    lines = (await export(api, "/v1/audit")).splitlines(keepends=True)
    exported = tmp_path / "audit.ndjson"
    exported.write_bytes(b"".join([*lines[:2], lines[3], lines[2], *lines[4:]]))

    broken = verify_file(exported, is_part=False, noted=None).broken

    assert broken is not None
    assert (broken.seq, broken.kind) == (json.loads(lines[2])["seq"], "reordered")
