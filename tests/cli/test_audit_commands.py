"""``leasehold audit``: what is asked of the API, and what is shown."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import respx

from leasehold_protocol.v1.audit import AuditList, AuditRow
from leasehold_protocol.v1.problems import ProblemCode
from tests.cli.answers import NOON, refused, said
from tests.cli.conftest import Leasehold

ROW = AuditRow(
    seq=7,
    id="aud_1",
    at=NOON,
    team_id="team_1",
    actor="token:ci",
    action="agent.locked",
    object="agt_1",
    result="done",
    address="192.0.2.7",
    detail={"because": "laptop stolen"},
    previous_hash="0" * 64,
    hash="a" * 64,
)


def test_the_list_says_who_did_what_from_where(author: Leasehold, api: respx.Router) -> None:
    api.get("/v1/teams/default/audit").mock(return_value=said(AuditList(items=[ROW])))

    ended = author("audit", "list")

    assert ended.code == 0
    for shown in ("7", "token:ci", "192.0.2.7", "agent.locked", "agt_1", "done", "laptop stolen"):
        assert shown in ended.out


def test_filters_are_passed_on(author: Leasehold, api: respx.Router) -> None:
    asked = api.get("/v1/teams/default/audit").mock(return_value=said(AuditList(items=[])))

    author("audit", "list", "--since", "2026-11-01", "--action", "agent.locked", "--actor", "token:ci")

    sent = asked.calls.last.request.url.params
    assert sent["since"].startswith("2026-11-01T00:00:00")
    assert (sent["action"], sent["actor"]) == ("agent.locked", "token:ci")


def test_a_limit_ends_the_reading(author: Leasehold, api: respx.Router) -> None:
    second = ROW.model_copy(update={"seq": 8})
    asked = api.get("/v1/teams/default/audit").mock(return_value=said(AuditList(items=[ROW, second], next="8")))

    ended = author("audit", "list", "--limit", "2", "--json")

    assert [row["seq"] for row in json.loads(ended.out)] == [7, 8]
    assert asked.call_count == 1


def test_an_export_of_all_teams_goes_into_a_file_byte_by_byte(
    author: Leasehold, api: respx.Router, tmp_path: Path
) -> None:
    odd = ROW.model_copy(update={"object": "a\u2028b"})
    lines = f"{ROW.model_dump_json()}\n{odd.model_dump_json()}\n".encode()
    asked = api.get("/v1/audit").mock(
        return_value=httpx.Response(200, content=lines, headers={"content-type": "application/x-ndjson"})
    )

    ended = author("audit", "export", "--everywhere", "--output", str(tmp_path / "audit.ndjson"))

    assert asked.calls.last.request.headers["accept"] == "application/x-ndjson"
    assert (tmp_path / "audit.ndjson").read_bytes() == lines
    assert "2 rows" in ended.out


def test_an_older_api_that_has_no_export_is_not_taken_for_one(author: Leasehold, api: respx.Router) -> None:
    api.get("/v1/teams/default/audit").mock(return_value=said(AuditList(items=[ROW])))

    assert author("audit", "export").code == 4


def test_who_is_no_admin_is_told_so(author: Leasehold, api: respx.Router) -> None:
    refusal = refused(403, ProblemCode.FORBIDDEN, "this takes the role admin in team default")
    api.get("/v1/teams/default/audit").mock(return_value=refusal)

    ended = author("audit", "export")

    assert ended.code == 3
    assert "role admin" in ended.err


def test_a_time_that_is_none_is_refused(author: Leasehold) -> None:
    assert author("audit", "list", "--since", "yesterday").code == 2


def test_a_file_that_cannot_be_written_is_named(author: Leasehold, tmp_path: Path) -> None:
    ended = author("audit", "export", "--output", str(tmp_path / "not" / "there"))

    assert ended.code == 2
    assert "not/there" in ended.err
