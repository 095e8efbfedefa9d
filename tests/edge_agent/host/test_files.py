"""Files and large values on a task's socket: kept piece by piece, given to who may have them, refused with a cure."""

from __future__ import annotations

import hashlib
import http.client
import json
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leasehold_agent.host.task_calls.large_values import checked
from leasehold_protocol.v1.leases import Input
from tests.edge_agent.host.harness import Attempt, Task

MIB = 1024 * 1024
CONTENT = b"plant;rows\nnorth;3\n" * 10_000
NAME = hashlib.sha256(CONTENT).hexdigest()
GIVEN = "b" * 64


def file_tag(sha256: str, size: int = len(CONTENT)) -> dict[str, Any]:
    return {"$type": "file", "value": {"sha256": sha256, "size": size, "name": "rows.csv"}}


@pytest.fixture
def task(attempt: Attempt) -> Iterator[Task]:
    given = {"made": [{"$type": "file", "value": {"sha256": GIVEN, "size": 5}}]}
    task = attempt.talking(inputs=[Input(task="collect", key="rows", size=3, value=given)])
    yield task
    task.end(0)
    attempt.wait()


def ask_for_it(task: Task) -> socket.socket:
    """Ask for the file and wait for nothing."""
    connection = task.raw()
    head = f"GET /v1/files/{NAME} HTTP/1.1\r\nAuthorization: Bearer {task.secret}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def content_of(task: Task, sha256: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("task")
    connection.sock = task.raw()
    connection.request("GET", f"/v1/files/{sha256}", headers={"Authorization": f"Bearer {task.secret}"})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_a_pushed_file_is_kept_named_and_read_again(task: Task, attempt: Attempt) -> None:
    kept = task.request("PUT", "/v1/files", data=CONTENT)
    chunked = task.request("PUT", "/v1/files", data=iter([CONTENT[:70_000], CONTENT[70_000:]]))
    named = task.request("PUT", "/v1/xcoms/report", {"value": {"inside": [file_tag(NAME)]}})

    assert kept == chunked == (200, {"sha256": NAME, "size": len(CONTENT)})
    assert named[0] == 204
    assert content_of(task, NAME) == (200, CONTENT)
    (line,) = attempt.lines("xcoms/index.ndjson")
    assert line["files"] == [{"sha256": NAME, "size": len(CONTENT)}]
    assert [path.name for path in (attempt.path / "files").iterdir()] == [NAME]


def test_a_value_can_only_name_what_the_task_pushed_or_was_given(task: Task) -> None:
    foreign = task.request("PUT", "/v1/result", {"value": [file_tag("a" * 64)]})
    passed_on = task.request("PUT", "/v1/result", {"value": file_tag(GIVEN, 5)})
    task.request("PUT", "/v1/files", data=CONTENT)
    wrong_size = task.request("PUT", "/v1/result", {"value": file_tag(NAME, 1)})
    no_file = task.request("PUT", "/v1/result", {"value": {"$type": "dict", "value": file_tag("a" * 64)}})

    assert (foreign[0], wrong_size[0]) == (422, 422)
    assert "push its bytes with PUT /v1/files first" in foreign[1]["detail"]
    assert f"has {len(CONTENT)} bytes, not 1" in wrong_size[1]["detail"]
    assert passed_on[0] == no_file[0] == 204, "a wrapped dictionary of the author's is no file"


def test_a_file_beyond_the_limit_is_refused_before_it_is_sent(task: Task, attempt: Attempt) -> None:
    connection = task.raw()
    head = f"PUT /v1/files HTTP/1.1\r\nAuthorization: Bearer {task.secret}\r\n"
    connection.sendall(f"{head}Content-Length: {17 * MIB}\r\nExpect: 100-continue\r\n\r\n".encode())
    answer = connection.recv(65536)
    connection.close()
    chunked = task.request("PUT", "/v1/files", data=(b"x" * MIB for _ in range(17)))

    assert answer.startswith(b"HTTP/1.1 413 "), "not 100: nothing is wanted"
    assert b"an admin can raise most_file_bytes" in answer
    assert chunked[0] == 413
    assert list((attempt.path / "files").iterdir()) == []


def test_a_full_disk_is_said_and_leaves_nothing(task: Task, attempt: Attempt) -> None:
    resource.prlimit(attempt.pid, resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    refused = task.request("PUT", "/v1/files", data=CONTENT)
    resource.prlimit(attempt.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    kept = task.request("PUT", "/v1/files", data=CONTENT)

    assert (refused[0], refused[1]["code"]) == (503, "unavailable")
    assert "disk of this site is full" in refused[1]["detail"]
    assert kept[0] == 200
    assert [path.name for path in (attempt.path / "files").iterdir()] == [NAME]


def test_a_client_that_breaks_off_leaves_nothing(task: Task, attempt: Attempt) -> None:
    connection = task.raw()
    head = f"PUT /v1/files HTTP/1.1\r\nAuthorization: Bearer {task.secret}\r\nContent-Length: 1000\r\n\r\n"
    connection.sendall(head.encode() + b"half")
    connection.close()

    assert task.request("PUT", "/v1/files", data=b"whole")[0] == 200
    assert len(list((attempt.path / "files").iterdir())) == 1


def test_a_file_of_others_is_fetched_by_the_agent(task: Task, attempt: Attempt) -> None:
    with attempt.control() as agent:
        connection = ask_for_it(task)
        asked = agent.next_ask()
        (attempt.path / "fetched").mkdir()
        (attempt.path / "fetched" / NAME).write_bytes(CONTENT)
        agent.say(do="answer", id=asked["ask"], status=200, body={"sha256": NAME, "size": 1}, file=NAME)
        answer = connection.makefile("rb").read()
        connection.close()

    assert (asked["method"], asked["path"], asked["takes_files"]) == ("GET", f"/v1/files/{NAME}", True)
    assert answer.partition(b"\r\n\r\n")[2] == CONTENT


def test_the_apis_refusal_of_a_file_is_the_tasks(task: Task, attempt: Attempt) -> None:
    with attempt.control() as agent:
        connection = ask_for_it(task)
        problem = {"code": "not_found", "detail": "no value that it may read names the file"}
        agent.say(do="answer", id=agent.next_ask()["ask"], status=404, body=problem)
        answer = connection.makefile("rb").read()
        connection.close()

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"no value that it may read" in answer


def test_while_nothing_arrives_a_read_waits_no_longer_than_it_is_told(task: Task) -> None:
    status, problem = task.request("GET", f"/v1/files/{NAME}", headers={"Leasehold-Wait": "0.05"})

    assert (status, problem["code"]) == (503, "unavailable")


def test_a_large_value_is_kept_as_it_was_sent_and_read_again(task: Task, attempt: Attempt) -> None:
    value = {"rows": ["grüße " * 100] * 5000, "n": 2**63, "x": 1e300}
    text = json.dumps(value, ensure_ascii=False)

    put = task.request("PUT", "/v1/result", data=f' {{ "value" : {text} }} \n'.encode())
    own = task.request("GET", "/v1/xcoms/return_value")

    assert put[0] == 204
    assert own[1]["value"] == attempt.xcom("return_value") == value
    assert [path.name for path in (attempt.path / "xcoms").iterdir() if path.name.startswith(".")] == []


LONG = "x" * (2 * MIB)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (f'{{"value": "{LONG}", "more": 1}}', 204),
        (f'{{"more": 1, "value": "{LONG}"}}', 204),
        (f'{{"value": ["{LONG}", 1e999]}}', 422),
        (f'{{"value": ["{LONG}", {10**30}]}}', 422),
        (f'{{"value": ["{LONG}", NaN]}}', 422),
        (f'{{"value": ["{LONG}", "\\ud800"]}}', 422),
        (f'{{"value": ["{LONG}", "\\ud83d\\ude42"]}}', 204),
        (f'{{"value": ["{LONG}"', 400),
        (f'{{"value": "{LONG}"}}}}', 400),
        (f'{{"value": {"[" * 100_000}{LONG}', 400),
        (f'{{"other": "{LONG}"}}', 422),
        (f'["{LONG}"]', 422),
        (" " * (2 * MIB), 400),
    ],
    ids=range(13),
)
def test_large_bodies_are_judged_like_small_ones(task: Task, body: str, status: int) -> None:
    assert task.request("PUT", "/v1/xcoms/large", data=body.encode())[0] == status


def test_a_plain_large_value_is_not_looked_at_as_a_whole(tmp_path: Path) -> None:
    plain, odd = tmp_path / "plain", tmp_path / "odd"
    plain.write_bytes(b'{"value": [1, {"a": "\xc3\xbc"}]}')
    odd.write_bytes(b'{"value": 1, "more": 2}')

    assert checked(plain, tmp_path / "value") == (17, hashlib.sha256(b' [1, {"a": "\xc3\xbc"}]').hexdigest(), 2)
    assert (tmp_path / "value").read_bytes() == b' [1, {"a": "\xc3\xbc"}]'
    assert checked(odd, tmp_path / "other") is None


def test_what_was_taken_back_is_not_there(task: Task, attempt: Attempt) -> None:
    task.request("PUT", "/v1/xcoms/late", {"value": 1})

    gone, again = task.request("DELETE", "/v1/xcoms/late"), task.request("DELETE", "/v1/xcoms/late")

    assert (gone[0], again[0], again[1]["code"]) == (204, 404, "not_found")
    assert attempt.lines("xcoms/index.ndjson")[-1] == {"seq": 2, "key": "late", "deleted": True}
