"""Sites, tokens, agents, teams: what is asked of the API, and what is shown."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import respx

from leasehold_protocol.v1.fleet import (
    Agent,
    AgentList,
    AgentStatus,
    ApiTokenRequest,
    IssuedApiToken,
    IssuedEnrolmentToken,
    Role,
    Site,
    SiteList,
    SiteWrite,
    Team,
    TeamList,
)
from leasehold_protocol.v1.problems import ProblemCode
from tests.cli.answers import NOON, refused, said
from tests.cli.conftest import URL, Leasehold

PLANT = Site(
    name="plant", team="default", created_at=NOON, labels={"zone": "south"}, max_slots=8, agents=2, connected=1
)
NO_SITE = refused(404, ProblemCode.NOT_FOUND, "There is no site plant in team default.")
ENROLMENT = "enr_0123456789ab.BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"


def test_a_site_is_created_with_its_labels(author: Leasehold, api: respx.Router) -> None:
    api.get("/v1/teams/default/sites/plant").mock(return_value=NO_SITE)
    put = api.put("/v1/teams/default/sites/plant").mock(return_value=said(PLANT, 201))

    ended = author("sites", "create", "plant", "--label", "zone=south", "--max-slots", "8")

    assert ended.code == 0
    assert SiteWrite.model_validate_json(put.calls.last.request.content) == SiteWrite(
        labels={"zone": "south"}, max_slots=8
    )
    assert "leasehold tokens issue plant" in ended.out


def test_a_site_that_is_there_is_not_changed_by_create(author: Leasehold, api: respx.Router) -> None:
    api.get("/v1/teams/default/sites/plant").mock(return_value=said(PLANT))

    ended = author("sites", "create", "plant")

    assert ended.code == 5
    assert "leasehold sites update plant" in ended.err


def test_update_keeps_what_is_not_named(author: Leasehold, api: respx.Router) -> None:
    api.get("/v1/teams/default/sites/plant").mock(return_value=said(PLANT))
    put = api.put("/v1/teams/default/sites/plant").mock(return_value=said(PLANT))

    author("sites", "update", "plant", "--max-slots", "2")

    assert SiteWrite.model_validate_json(put.calls.last.request.content) == SiteWrite(
        labels={"zone": "south"}, max_slots=2
    )


def test_a_list_of_several_pages_is_shown_whole(author: Leasehold, api: respx.Router) -> None:
    second = PLANT.model_copy(update={"name": "second"})
    listed = api.get("/v1/teams/default/sites").mock(
        side_effect=[said(SiteList(items=[PLANT], next="plant")), said(SiteList(items=[second]))]
    )

    ended = author("sites", "list", "--json")

    assert [site["name"] for site in json.loads(ended.out)] == ["plant", "second"]
    assert listed.calls.last.request.url.params["after"] == "plant"


def test_an_empty_list_says_how_to_begin_and_is_an_empty_array_for_programs(
    author: Leasehold, api: respx.Router
) -> None:
    api.get("/v1/teams/default/sites").mock(return_value=said(SiteList(items=[])))

    assert "leasehold sites create NAME" in author("sites", "list").err
    assert json.loads(author("sites", "list", "--json").out) == []


def test_a_label_without_a_value_is_a_mistake_of_typing(author: Leasehold, api: respx.Router) -> None:
    api.get("/v1/teams/default/sites/plant").mock(return_value=NO_SITE)

    ended = author("sites", "create", "plant", "--label", "zone")

    assert ended.code == 2
    assert "NAME=VALUE" in ended.err


def test_deleting_says_what_the_api_says(author: Leasehold, api: respx.Router) -> None:
    api.delete("/v1/teams/default/sites/plant").mock(
        return_value=refused(409, ProblemCode.CONFLICT, "Site plant still has 2 agents. Lock or remove them first.")
    )

    ended = author("sites", "delete", "plant")

    assert ended.code == 5
    assert "still has 2 agents" in ended.err


def an_issued_token() -> IssuedEnrolmentToken:
    return IssuedEnrolmentToken(
        id="enr_0123456789ab",
        site="plant",
        team="default",
        created_by="operator-1",
        created_at=NOON,
        expires_at=NOON + timedelta(hours=1),
        token=ENROLMENT,
    )


def test_an_issued_token_comes_with_what_to_type_at_the_site(author: Leasehold, api: respx.Router) -> None:
    issue = api.post("/v1/teams/default/sites/plant/enrolment-tokens").mock(return_value=said(an_issued_token(), 201))

    ended = author("tokens", "issue", "plant", "--expires", "30m")

    assert json.loads(issue.calls.last.request.content)["expires_in_s"] == 1800
    lines = [line.strip() for line in ended.out.splitlines()]
    given = f"printf '%s' {ENROLMENT} | "
    assert f"{given}edge-agent enroll {URL} --token-file -" in lines
    as_service = f"sudo -u leasehold-agent edge-agent enroll {URL} --token-file - --state-dir /var/lib/leasehold-agent"
    assert f"{given}{as_service}" in lines
    assert "sudo systemctl enable --now edge-agent" in lines
    (contained,) = [line for line in lines if "podman run --rm" in line]
    assert contained.startswith(f"{given}podman run --rm --interactive ")
    assert contained.endswith(f"leasehold-agent enroll {URL} --token-file - --name plant-1")


def test_with_a_token_in_a_file_the_shell_opens_it_for_the_agents_user(
    author: Leasehold, api: respx.Router, tmp_path: Path
) -> None:
    api.post("/v1/teams/default/sites/plant/enrolment-tokens").mock(return_value=said(an_issued_token(), 201))

    ended = author("tokens", "issue", "plant", "--output", str(tmp_path / "plant.token"))

    assert ENROLMENT not in ended.err + ended.out
    assert f"edge-agent enroll {URL} --token-file - < plant.token" in ended.err
    assert "--state-dir /var/lib/leasehold-agent < plant.token" in ended.err


def test_quiet_prints_the_token_and_nothing_else(author: Leasehold, api: respx.Router) -> None:
    api.post("/v1/teams/default/sites/plant/enrolment-tokens").mock(return_value=said(an_issued_token(), 201))

    assert author("tokens", "issue", "plant", "-q").out == f"{ENROLMENT}\n"


def test_a_token_written_to_a_file_is_shown_nowhere(author: Leasehold, api: respx.Router, tmp_path: Path) -> None:
    api.post("/v1/teams/default/sites/plant/enrolment-tokens").mock(return_value=said(an_issued_token(), 201))
    file = tmp_path / "plant.token"

    ended = author("tokens", "issue", "plant", "--output", str(file), "--json")

    assert file.read_text() == f"{ENROLMENT}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ENROLMENT not in ended.out + ended.err


@pytest.mark.parametrize("expires", ["soon", "0s", "-1h", "25h"])
def test_a_token_is_not_issued_for_a_time_that_makes_no_sense(author: Leasehold, expires: str) -> None:
    assert author("tokens", "issue", "plant", f"--expires={expires}").code == 2


def test_a_pasted_token_is_revoked_by_its_id_and_its_secret_is_not_sent(author: Leasehold, api: respx.Router) -> None:
    api.delete("/v1/teams/default/enrolment-tokens/enr_0123456789ab").mock(return_value=httpx.Response(204))

    ended = author("tokens", "revoke", ENROLMENT)

    assert ended.out == "Enrolment token enr_0123456789ab is revoked.\n"


def an_agent(name: str, number: int) -> Agent:
    return Agent(
        agent=f"agt-{number}",
        name=name,
        site="plant",
        team="default",
        status=AgentStatus.CONNECTED,
        key_thumbprint="thumb",
        enrolled_at=NOON,
    )


def test_an_agent_is_locked_by_its_name(author: Leasehold, api: respx.Router) -> None:
    api.get("/v1/teams/default/agents").mock(return_value=said(AgentList(items=[an_agent("plant-1", 7)])))
    lock = api.post("/v1/teams/default/agents/agt-7/lock").mock(return_value=httpx.Response(204))

    ended = author("agents", "lock", "plant-1", "--reason", "stolen")

    assert ended.code == 0
    assert json.loads(lock.calls.last.request.content) == {"reason": "stolen", "running": "cancel"}


def test_a_locked_agent_may_finish_what_it_runs(author: Leasehold, api: respx.Router) -> None:
    api.get("/v1/teams/default/agents").mock(return_value=said(AgentList(items=[an_agent("plant-1", 7)])))
    lock = api.post("/v1/teams/default/agents/agt-7/lock").mock(return_value=httpx.Response(204))

    ended = author("agents", "lock", "plant-1", "--running", "finish")

    assert ended.code == 0
    assert json.loads(lock.calls.last.request.content)["running"] == "finish"


def test_a_site_is_locked_and_unlocked(author: Leasehold, api: respx.Router) -> None:
    lock = api.post("/v1/teams/default/sites/plant/lock").mock(return_value=httpx.Response(204))
    api.post("/v1/teams/default/sites/plant/unlock").mock(return_value=httpx.Response(204))

    locked = author("sites", "lock", "plant", "--reason", "break-in", "--running", "finish")
    unlocked = author("sites", "unlock", "plant")

    assert json.loads(lock.calls.last.request.content) == {"reason": "break-in", "running": "finish"}
    assert locked.out.startswith("Site plant is locked.")
    assert unlocked.out == "Site plant is unlocked.\n"


def test_two_agents_of_one_name_are_told_apart_by_their_ids(author: Leasehold, api: respx.Router) -> None:
    both = AgentList(items=[an_agent("plant-1", 7), an_agent("plant-1", 8)])
    api.get("/v1/teams/default/agents").mock(return_value=said(both))

    ended = author("agents", "lock", "plant-1")

    assert ended.code == 5
    assert "agt-7, agt-8" in ended.err


def test_what_an_agents_machine_can_run_is_shown(author: Leasehold, api: respx.Router) -> None:
    agent = an_agent("plant-1", 7).model_copy(update={"runtimes": ["container", "python"], "pythons": ["3.12.4"]})
    api.get("/v1/teams/default/agents").mock(return_value=said(AgentList(items=[agent])))

    lines = author("agents", "show", "plant-1").out.splitlines()

    assert any(line.split() == ["runs", "tasks", "of", "container,", "python"] for line in lines)
    assert any(line.split() == ["Pythons", "for", "tasks", "3.12.4"] for line in lines)


def test_an_agent_that_is_not_there_is_not_found(author: Leasehold, api: respx.Router) -> None:
    api.get("/v1/teams/default/agents").mock(return_value=said(AgentList(items=[])))

    assert author("agents", "show", "plant-1").code == 5


def test_the_team_of_the_command_line_wins(
    author: Leasehold, api: respx.Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEASEHOLD_TEAM", "metering")
    api.get("/v1/teams/metering/sites").mock(return_value=said(SiteList(items=[])))
    api.get("/v1/teams/billing/sites").mock(return_value=said(SiteList(items=[])))

    assert author("sites", "list").code == 0
    assert author("sites", "list", "--team", "billing").code == 0


def test_teams_are_created_and_listed(author: Leasehold, api: respx.Router) -> None:
    team = Team(name="metering", created_at=NOON)
    api.post("/v1/teams").mock(return_value=said(team, 201))
    api.get("/v1/teams").mock(return_value=said(TeamList(items=[team])))

    assert "--team metering" in author("teams", "create", "metering").out
    assert json.loads(author("teams", "list", "--json").out)[0]["name"] == "metering"


def test_an_api_token_is_created_for_a_role_and_a_time(author: Leasehold, api: respx.Router) -> None:
    secret = "lht_0123456789ab.secret"
    issued = IssuedApiToken(
        id="0123456789ab",
        name="ci",
        role=Role.VIEWER,
        created_by="operator-1",
        created_at=NOON,
        token="lht_0123456789ab.secret",
    )
    create = api.post("/v1/teams/default/api-tokens").mock(return_value=said(issued, 201))

    ended = author("api-tokens", "create", "ci", "--role", "viewer", "--expires", "7d", "--quiet")

    assert ApiTokenRequest.model_validate_json(create.calls.last.request.content) == ApiTokenRequest(
        name="ci", role=Role.VIEWER, expires_in_s=7 * 86400
    )
    assert ended.out == f"{secret}\n"


@pytest.mark.parametrize("name", ["..", ".", ""])
def test_a_name_never_becomes_another_path(author: Leasehold, name: str) -> None:
    assert author("sites", "show", name).code == 2


def test_a_role_that_does_not_suffice_says_who_can_help(author: Leasehold, api: respx.Router) -> None:
    api.delete("/v1/teams/default/connections/erp").mock(
        return_value=refused(403, ProblemCode.FORBIDDEN, "Connections are for admins; you are author.")
    )

    ended = author("connections", "delete", "erp")

    assert ended.code == 3
    assert "Connections are for admins; you are author." in ended.err
    assert "an admin can give you more" in ended.err
