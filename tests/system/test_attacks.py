"""What somebody can do with what a site really holds: a started agent's disk, the tokens on its wire, its tasks."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.agent_key import AgentKey
from tests.system.place import Place, open_place
from tests.system.programs import free_port, until
from tests.system.wire import Wire, open_wire

RENEWALS = "/v1/agent/renewals"
DAGS = """\
import time
from pathlib import Path

from leasehold import Connection, dag, task


@task(connections=["plant_db"])
def waits(gate: str) -> int:
    print(len(Connection.get("plant_db").password), flush=True)
    while not Path(gate).exists():
        time.sleep(0.02)
    return 1


@dag
def waiting(gate: str):
    waits(gate)
"""


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """What is said between site and API."""
    with open_wire() as wire:
        yield wire


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, wire: Wire) -> Iterator[Place]:
    """A place with one agent, whose words can be overheard."""
    with open_place(tmp_path_factory.mktemp("place")) as place:
        port = free_port()
        wire.forward_to(f"http://127.0.0.1:{port}")
        place.serve("--public-url", wire.url, port=port)
        place.url = place.env["LEASEHOLD_URL"] = wire.url
        place.make_site("north")
        place.enroll("north", "north-1")
        place.start_agent("north-1")
        put = ("leasehold", "connections", "set", "plant_db", "--conn-type", "postgres", "--password-file", "-")
        place.command(*put, "--site", "north", stdin="not-for-thieves")
        place.deploy("waiting", DAGS)
        yield place


def newest(wire: Wire, name: str) -> str:
    """Return the newest token of a kind that went over the wire."""
    pattern = re.compile(rf'"{name}": ?"([^"]+)"'.encode())
    return [found.decode() for part in wire.said() for found in pattern.findall(part)][-1]


def call(place: Place, method: str, path: str, token: str, key: AgentKey, scheme: str = "DPoP") -> httpx.Response:
    """Use a token that was overheard, with a key of the thief's own."""
    headers = {"Authorization": f"{scheme} {token}", "DPoP": key.proof(method, place.url + path, token=token)}
    return httpx.request(method, place.url + path, headers=headers, json={}, trust_env=False)


def test_tokens_overheard_on_the_wire_are_worth_nothing_without_the_key(place: Place, wire: Wire, gate: Path) -> None:
    run = place.trigger("waiting", gate=str(gate))
    place.running(run, "waits")
    access, task = newest(wire, "access_token"), newest(wire, "task_token")
    tried = [("POST", RENEWALS, access), ("GET", "/v1/task/connections/plant_db", task)]

    stolen = [call(place, *each, AgentKey()) for each in tried]
    as_bearer = [call(place, *each, AgentKey(), "Bearer") for each in tried]
    recorded = [_again(place, wire, each) for each in tried]

    gate.touch()
    assert place.finished(run)["state"] == "success"
    assert [answer.status_code for answer in (*stolen, *as_bearer, *recorded)] == [401] * 6
    assert {answer.json()["code"] for answer in recorded} == {"dpop_replayed"}
    assert not any("not-for-thieves" in answer.text for answer in (*stolen, *as_bearer, *recorded))


def _again(place: Place, wire: Wire, tried: tuple[str, str, str]) -> httpx.Response:
    """Send a recorded request once more, as it was."""
    method, path, token = tried
    head = re.compile(rf"{method} {path} HTTP/1\.1\r\n(.*?)\r\n\r\n".encode(), re.DOTALL)
    heads = [
        dict(_header(line) for line in found.split(b"\r\n")) for part in wire.said() for found in head.findall(part)
    ]
    own = [found for found in heads if found["authorization"] == f"DPoP {token}"]
    if not own:  # this route was not called with it yet: use the proof of what was
        pytest.fail(f"{path} was never called with that token")
    headers = {name: own[-1][name] for name in ("authorization", "dpop")}
    return httpx.request(method, place.url + path, headers=headers, json={}, trust_env=False)


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode().partition(": ")
    return name.lower(), value


def test_another_user_of_the_machine_reaches_neither_the_sockets_nor_the_files(place: Place) -> None:
    state = place.home / "north-1"

    open_to_others = [str(path) for path in (state, *state.iterdir()) if _is_open(path)]

    assert open_to_others == []


def _is_open(path: Path) -> bool:
    return not path.is_symlink() and path.stat().st_mode & 0o077 != 0 and path.parent.stat().st_mode & 0o077 != 0


@pytest.mark.parametrize("size", [70_000, 2_000_000])
def test_headers_without_end_are_refused_by_the_real_server(place: Place, size: int) -> None:
    port = int(place.client.base_url.port or 0)
    head = b"GET /v1/whoami HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b"a" * size
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        said = b""
        try:
            raw.sendall(head + b"\r\n\r\n")
            while part := raw.recv(65536):
                said += part
                if b"\r\n\r\n" in said:
                    break
        except (BrokenPipeError, ConnectionResetError):
            pass  # it did not even listen to the end

    assert said[:12] in {b"", b"HTTP/1.1 400", b"HTTP/1.1 401", b"HTTP/1.1 431"}
    assert place.client.get("/healthz").status_code == 200


def test_a_stolen_state_directory_used_elsewhere_locks_both(place: Place) -> None:
    stolen = place.home / "stolen"
    shutil.copytree(place.home / "north-1", stolen, ignore=shutil.ignore_patterns("*.sock", "agent.lock"))

    thief = place.start("stolen", "edge-agent", "run", "--state-dir", "stolen")

    def is_locked() -> bool:
        return any(item["name"] == "north-1" and item["status"] == "locked" for item in place.get("agents")["items"])

    # The thief takes the generation that the agent will use next; whoever comes second with it locks them.
    until(lambda: thief.said() or is_locked(), "the thief tries")
    agent = next(program for program in place.programs if program.name == "north-1")
    agent.terminate()
    agent.ended()
    place.start("north-1-again", "edge-agent", "run", "--state-dir", "north-1")
    until(is_locked, "the agent is locked")
    until(lambda: "locked" in thief.said(), "the thief is told so")
