"""Agents come in by a key that is known beforehand, move to another machine, and are never two."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.system.place import Place
from tests.system.programs import GaveUpError, Program, until

NOT_ENROLLED, TOKEN_REFUSED, REFUSED = 3, 4, 10
ROUNDS = 20


def test_a_key_that_an_operator_registered_lets_its_agent_in_without_a_token(api: Place) -> None:
    where = ("--state-dir", "known-1", "--name", "known-1")
    prepared = json.loads(api.command("edge-agent", "enroll", api.url, "--prepare", "--json", *where))
    thumbprint = prepared["key_thumbprint"]

    too_early = api.command("edge-agent", "enroll", api.url, *where, code=TOKEN_REFUSED)
    said = api.command("leasehold", "agents", "preregister", thumbprint, "--site", "north")
    enrolled = api.command("edge-agent", "enroll", api.url, *where)

    assert f"leasehold agents preregister {thumbprint} --site SITE" in too_early
    assert prepared["key_fingerprint"] in said
    assert "Enrolled as known-1 of site north" in enrolled
    assert thumbprint in enrolled
    assert prepared["key_fingerprint"][:16] in api.command("leasehold", "tokens", "list")


def test_a_malformed_thumbprint_is_not_even_sent(api: Place) -> None:
    said = api.command("leasehold", "agents", "preregister", "SHA256:ABCD", "--site", "north", code=2)

    assert "--prepare" in said


def test_an_agent_moves_to_another_machine_with_a_key_that_was_made_there(api: Place) -> None:
    api.enroll("plant", "moving-1")
    agent = api.start_agent("moving-1")
    receive = ("edge-agent", "identity", "receive", api.url, "--state-dir", "new-machine")
    thumbprint = json.loads(api.command(*receive, "--json"))["key_thumbprint"]
    move = ("edge-agent", "identity", "move", "--to", thumbprint, "--state-dir", "moving-1")

    while_running = api.command(*move, code=6)
    too_early = api.command(*receive, code=NOT_ENROLLED)
    agent.terminate()
    agent.ended()
    moved = api.command(*move)
    taken = api.command(*receive)
    gone = api.command("edge-agent", "run", "--state-dir", "moving-1", code=NOT_ENROLLED)

    assert str(agent.pid) in while_running
    assert f"identity move --to {thumbprint}" in too_early
    assert "deleted" in moved
    assert "moving-1 of site plant" in taken
    assert "was moved to another machine" in gone
    assert list((api.home / "moving-1" / "keys").glob("*.sealed")) == []
    before = api.last_seen("moving-1")
    api.start("new-machine", "edge-agent", "run", "--state-dir", "new-machine")
    until(lambda: api.last_seen("moving-1") != before, "the agent says hello from the new machine")


def test_a_move_that_would_lose_attempts_names_them_and_is_refused(api: Place) -> None:
    api.enroll("plant", "busy-1")
    attempt = api.home / "busy-1" / "attempts" / "ti_1.1"
    attempt.mkdir(parents=True)
    (attempt / "lease.json").write_text("{}")
    move = ("edge-agent", "identity", "move", "--to", "A" * 43, "--state-dir", "busy-1")

    refused = api.command(*move, code=REFUSED)
    forced = api.command(*move, "--force")

    assert "ti_1.1" in refused
    assert "--force" in refused
    assert "Lost with this move, to be run again elsewhere: ti_1.1" in forced


def test_of_two_copies_that_start_at_the_same_instant_never_both_go_on(api: Place) -> None:
    api.enroll("north", "twin-1")
    agent_id = next(item["agent"] for item in api.get("agents")["items"] if item["name"] == "twin-1")
    pair: list[Program] = []
    for number in range(ROUNDS):
        copy = f"twin-copy-{number}"
        shutil.copytree(api.home / "twin-1", api.home / copy, ignore=shutil.ignore_patterns("*.sock", "agent.lock"))

        pair = [
            api.start(f"{name}-round-{number}", "edge-agent", "run", "--state-dir", name) for name in ("twin-1", copy)
        ]
        until(lambda: _is_locked(api, agent_id), f"round {number}: the agent is locked")
        _end(pair)

        assert [program.said() for program in pair if "Traceback" in program.said()] == []
        api.client.post(f"/v1/teams/default/agents/{agent_id}/unlock").raise_for_status()


def _is_locked(api: Place, agent_id: str) -> bool:
    answer = api.client.get(f"/v1/teams/default/agents/{agent_id}")
    return bool(answer.json()["status"] == "locked")


def _end(pair: list[Program]) -> None:
    for program in pair:
        program.kill()
        try:
            program.ended()
        except GaveUpError as error:
            raise AssertionError(str(error)) from error


def test_the_fingerprint_is_the_same_on_both_sides(api: Place) -> None:
    api.enroll("north", "shown-1")

    shown = json.loads(api.command("edge-agent", "identity", "show", "--json", "--state-dir", "shown-1"))

    text = api.command("edge-agent", "identity", "show", "--state-dir", "shown-1")
    assert shown["key_fingerprint"] in text
    assert Path(api.home / "shown-1" / "identity.json").exists()
