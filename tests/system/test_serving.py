"""The API as admins start it and as programs call it: what can't be is refused with the cause, and harms nothing."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing

import pytest

from tests.system.place import Place

PORT_IN_USE, DATABASE = 4, 5


def test_a_port_in_use_is_named_with_its_cure(api: Place) -> None:
    port = api.url.rpartition(":")[2]

    said = api.command("leasehold-api", "serve", "--state-dir", "other", "--port", port, code=PORT_IN_USE)

    assert port in said
    assert "--port" in said


def test_a_database_of_a_newer_version_is_left_alone(empty_place: Place) -> None:
    empty_place.command("leasehold-api", "migrate", "--state-dir", "newer")
    with closing(sqlite3.connect(empty_place.home / "newer" / "leasehold.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")

    said = empty_place.command("leasehold-api", "serve", "--state-dir", "newer", "--port", "0", code=DATABASE)

    assert "newer" in said
    assert "9999" in said


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"params": {"text": "' + b"x" * 5_000_000 + b'"}}', 413, "body_too_large"),
        (b"{this is not JSON", 400, "not_json"),
        (b"\xff\xfe", 400, "not_json"),
        (b'["a list"]', 422, "invalid_request"),
        (b'{"params": 3}', 422, "invalid_request"),
    ],
    ids=["too large", "not JSON", "no text", "a list", "wrong field"],
)
def test_a_body_that_can_not_be_is_refused(api: Place, body: bytes, status: int, code: str) -> None:
    answer = api.client.post(
        "/v1/teams/default/dags/some/runs", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == code


def test_a_body_that_never_says_how_long_it_is_ends_all_the_same(api: Place) -> None:
    def endless() -> object:
        for _ in range(200):
            yield b"x" * 65536

    answer = api.client.post("/v1/teams/default/dags", content=endless())  # type: ignore[arg-type]

    assert answer.status_code == 413


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 60\r\n",
        b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: -1\r\n",
    ],
)
def test_a_body_whose_end_is_said_in_two_ways_hides_no_second_request(api: Place, framing: bytes) -> None:
    head = b"POST /oauth/token HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n"
    hidden = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(api.url.rpartition(":")[2])), timeout=10) as raw:
        raw.sendall(head + hidden)
        raw.shutdown(socket.SHUT_WR)
        said = b""
        while part := raw.recv(65536):
            said += part

    assert said.startswith(b"HTTP/1.1 400")
    assert said.count(b"HTTP/1.1 ") == 1
    assert b'"ok"' not in said
