"""What a task may ask and tell on its socket."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator

import pytest

from leasehold_protocol.v1.leases import Input
from leasehold_protocol.v1.problems import Problem
from leasehold_protocol.v1.tasks import TaskContext
from leasehold_protocol.v1.telemetry import MetricPoint
from tests.edge_agent.host.harness import WAIT_S, Attempt, Task

NORTH = Input(task="collect", key="rows", size=3, value=[1, 2])
MIB = 1024 * 1024


@pytest.fixture
def task(attempt: Attempt) -> Iterator[Task]:
    task = attempt.talking(inputs=[NORTH])
    yield task
    task.end(0)
    attempt.wait()


def test_the_context_is_the_protocols(task: Task, attempt: Attempt) -> None:
    status, body = task.request("GET", "/v1/context")

    context = TaskContext.model_validate(body)
    assert status == 200
    assert (context.attempt, context.task, context.try_number) == ("ti-1.1", "read_sensors", 1)
    assert context.inputs == {"collect/rows": [1, 2]}
    assert context.work_dir == str(attempt.work)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic abc", "Bearer \xff"])
def test_without_the_attempts_secret_nothing_is_answered(task: Task, header: str) -> None:
    status, problem = task.request("GET", "/v1/context", headers={"Authorization": header})

    assert status == 401
    assert Problem.model_validate(problem).code == "unauthenticated"
    assert "LEASEHOLD_TASK_SECRET" in problem["detail"]


def test_curl_is_a_client(task: Task) -> None:
    url = "http://task/v1/metrics"
    command = ["curl", "-sS", "--fail", "--unix-socket", task.path, "-H", f"Authorization: Bearer {task.secret}"]

    put = subprocess.run(
        [*command, "-X", "POST", url, "-d", '{"name": "rows", "kind": "counter", "value": 1}'],
        timeout=WAIT_S,
        check=False,
    )
    large = json.dumps({"value": "x" * (2 * MIB)})  # large enough for curl to ask first (Expect: 100-continue)
    sent = subprocess.run(
        [*command, "-T", "-", "http://task/v1/result"], input=large, text=True, timeout=WAIT_S, check=False
    )

    assert (put.returncode, sent.returncode) == (0, 0)


def test_an_unknown_call_and_a_wrong_method_are_named(task: Task) -> None:
    unknown, wrong = task.request("GET", "/v1/everything"), task.request("DELETE", "/v1/context")

    assert (unknown[0], unknown[1]["code"]) == (404, "not_found")
    assert (wrong[0], wrong[1]["code"]) == (405, "method_not_allowed")


def test_what_was_not_declared_is_refused_without_asking(task: Task) -> None:
    connection = task.request("GET", "/v1/connections/payroll")
    variable = task.request("PUT", "/v1/variables/limits%2Flower", {"value": 1})
    xcom = task.request("GET", "/v1/xcoms/rows?task=elsewhere")

    assert [answer[0] for answer in (connection, variable, xcom)] == [403, 403, 403]
    assert 'connections=["payroll"]' in connection[1]["detail"]
    assert 'variables=["limits/lower"]' in variable[1]["detail"]
    assert "elsewhere >> read_sensors" in xcom[1]["detail"]
    assert xcom[1]["code"] == "not_declared"


def test_without_the_api_a_read_waits_as_long_as_the_task_says(task: Task) -> None:
    status, problem = task.request("GET", "/v1/connections/plant_db", headers={"Leasehold-Wait": "0.05"})

    assert (status, problem["code"]) == (503, "unavailable")
    assert "Leasehold-Wait" in problem["detail"]


@pytest.mark.parametrize("wait", ["soon", "-1", "nan", "inf"])
def test_a_wait_that_is_no_time_is_refused(task: Task, wait: str) -> None:
    status, problem = task.request("GET", "/v1/connections/plant_db", headers={"Leasehold-Wait": wait})

    assert (status, problem["code"]) == (422, "invalid_request")


def test_the_apis_refusals_reach_the_task_unchanged(task: Task, attempt: Attempt) -> None:
    refusal = {"title": "Forbidden", "status": 403, "code": "not_granted", "detail": "site north has no grant"}

    with attempt.control() as agent:
        connection = task.raw()
        lines = f"GET /v1/variables/limits/upper HTTP/1.1\r\nAuthorization: Bearer {task.secret}\r\n\r\n"
        connection.sendall(lines.encode())
        ask = agent.next_ask()
        agent.say(do="answer", id=ask["ask"], status=403, body=refusal)
        answer = connection.recv(65536)
        connection.close()

    assert ask["path"] == "/v1/variables/limits%2Fupper"
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"application/problem+json" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == refusal


def test_a_secret_is_masked_before_the_task_sees_it(attempt: Attempt) -> None:
    secret = 'pä"ss wörd+1'
    task = attempt.talking()

    with attempt.control() as agent:
        connection = task.raw()
        connection.sendall(
            f"GET /v1/connections/plant_db HTTP/1.1\r\nAuthorization: Bearer {task.secret}\r\n\r\n".encode()
        )
        ask = agent.next_ask()
        body = {"id": "plant_db", "conn_type": "http", "password": secret}
        agent.say(do="answer", id=ask["ask"], status=200, body=body, secrets=[secret, "abc"])
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.close()
    shown = " ".join([secret, base64.b64encode(b"x" + secret.encode() + b"yz").decode(), json.dumps(secret)])
    task.request("POST", "/v1/log", {"message": shown, "fields": {"dsn": [secret], "n": 3}})
    task.request("POST", "/v1/metrics", {"name": "m", "kind": "gauge", "value": 1, "tags": {"dsn": secret}})
    task.request("PUT", "/v1/ending", {"kind": "failed", "message": f"login {secret} refused"})
    task.end(1)
    ending = attempt.wait()

    everything = attempt.log + (attempt.path / "metrics.ndjson").read_text() + json.dumps(ending)
    assert ending["message"] == "login *** refused"
    assert "wörd" not in everything
    assert "w\\u00f6rd" not in everything
    assert base64.b64encode(secret.encode()).decode()[4:-8] not in everything
    assert any("fewer than 4" in text for text in attempt.texts("agent"))


def test_an_identity_token_comes_from_the_api_and_is_masked(attempt: Attempt) -> None:
    task = attempt.talking()
    body = json.dumps({"audience": "https://vault.example.com"})

    with attempt.control() as agent:
        connection = task.raw()
        head = f"POST /v1/id-token HTTP/1.1\r\nAuthorization: Bearer {task.secret}\r\nContent-Length: {len(body)}"
        connection.sendall(f"{head}\r\n\r\n{body}".encode())
        ask = agent.next_ask()
        agent.say(do="answer", id=ask["ask"], status=200, body={"token": "aaaa.bbbb.cccc"}, secrets=["aaaa.bbbb.cccc"])
        answer = connection.recv(65536)
        connection.close()
    task.request("POST", "/v1/log", {"message": "signed in with aaaa.bbbb.cccc"})
    task.end(0)
    attempt.wait()

    assert (ask["method"], ask["path"], ask["body"]) == ("POST", "/v1/id-token", json.loads(body))
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"token": "aaaa.bbbb.cccc"}
    assert "bbbb" not in attempt.log


@pytest.mark.parametrize("audience", [None, 7, "", "two words", 'a"b', "a\\b", "é", "a\n", "x" * 256])
def test_what_can_be_no_audience_is_refused_without_asking(task: Task, audience: object) -> None:
    status, problem = task.request("POST", "/v1/id-token", {"audience": audience})

    assert (status, problem["code"]) == (422, "invalid_request")


def test_a_written_xcom_is_on_disk_and_the_last_one_counts(task: Task, attempt: Attempt) -> None:
    first = task.request("PUT", "/v1/xcoms/plant%2Frows", {"value": 3})
    second = task.request("PUT", "/v1/xcoms/plant/rows", {"value": {"é": None}})
    read = task.request("GET", "/v1/xcoms/plant/rows")

    assert (first[0], second[0]) == (204, 204)
    assert attempt.xcom("plant/rows") == {"é": None}
    assert [entry["seq"] for entry in attempt.lines("xcoms/index.ndjson")] == [1, 2]
    assert read[1]["value"] == {"é": None}


def test_an_upstream_result_that_came_with_the_lease_is_answered_at_once(task: Task) -> None:
    status, body = task.request("GET", "/v1/xcoms/rows?task=collect&map_index=-1")

    assert (status, body["value"], body["task"]) == (200, [1, 2], "collect")


def test_an_xcom_nobody_wrote_is_not_found(task: Task) -> None:
    assert task.request("GET", "/v1/xcoms/rows")[0] == 404


def test_a_result_of_60_mib_is_taken_and_a_larger_one_refused(task: Task, attempt: Attempt) -> None:
    taken = task.request("PUT", "/v1/result", data=b'{"value":"' + b"x" * (60 * MIB) + b'"}')
    refused = task.request("PUT", "/v1/xcoms/large", data=b'{"value":"' + b"x" * (64 * MIB) + b'"}')
    small = task.request("POST", "/v1/log", {"message": "x" * (MIB + 1)})

    assert taken[0] == 204
    assert attempt.lines("xcoms/index.ndjson")[0]["size"] == 60 * MIB + 2
    assert (refused[0], refused[1]["code"], small[0]) == (413, "body_too_large", 413)
    assert "64 MiB" in refused[1]["detail"]


def test_a_body_in_chunks_is_taken(task: Task, attempt: Attempt) -> None:
    pieces = (piece for piece in (b'{"value"', b":", b"[1, 2]}"))

    status, _ = task.request("PUT", "/v1/result", data=pieces)

    assert status == 204
    assert attempt.xcom("return_value") == [1, 2]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/v1/result", b"", 400),
        ("PUT", "/v1/result", b"{", 400),
        ("PUT", "/v1/result", b"\xff", 400),
        ("PUT", "/v1/result", b"[" * 100_000, 400),
        ("PUT", "/v1/result", b"[]", 422),
        ("PUT", "/v1/result", b"{}", 422),
        ("PUT", "/v1/result", b'{"value": NaN}', 422),
        ("PUT", "/v1/result", b'{"value": 1e999}', 422),
        ("PUT", "/v1/result", b'{"value": "\\ud800"}', 422),
        ("PUT", "/v1/xcoms/..%20", b'{"value": 1}', 422),
        ("PUT", "/v1/ending", b'{"kind": "finished"}', 422),
        ("PUT", "/v1/ending", b'{"kind": "retry", "retry_after_s": -1}', 422),
        ("POST", "/v1/heartbeat", b'{"progress": 2}', 422),
        ("POST", "/v1/heartbeat", b'{"note": 2}', 422),
        ("POST", "/v1/log", b'{"level": "loud", "message": "x"}', 422),
        ("POST", "/v1/log", b'{"message": 7}', 422),
        ("POST", "/v1/log", b'{"message": "x", "at": "yesterday"}', 422),
        ("POST", "/v1/log", b'{"message": "x", "fields": [1]}', 422),
        ("POST", "/v1/log", b'{"message": "x", "fields": {"n": 1e999}}', 422),
        ("POST", "/v1/metrics", b'{"name": "n", "kind": "gauge", "value": NaN}', 422),
        ("POST", "/v1/metrics", b'{"name": "n", "kind": "gauge", "value": 1e999}', 422),
        ("POST", "/v1/metrics", b'{"name": "n", "kind": "gauge", "value": "3"}', 422),
        ("POST", "/v1/metrics", b'{"name": "n", "kind": "gauge", "value": true}', 422),
        ("POST", "/v1/metrics", b'{"name": "n n", "kind": "gauge", "value": 1}', 422),
        ("POST", "/v1/metrics", b'{"name": "n", "kind": "guess", "value": 1}', 422),
        ("POST", "/v1/metrics", b'{"name": "n", "kind": "gauge", "value": 1, "tags": {"a": 1}}', 422),
        ("POST", "/v1/metrics", b'[{"name": "n", "kind": "gauge", "value": 1}, 7]', 422),
        ("POST", "/v1/mask", b'{"value": "abc"}', 422),
        ("POST", "/v1/mask", b'{"value": "\\ud800abcd"}', 422),
        ("POST", "/v1/mask", b'{"value": 7}', 422),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(
    task: Task, attempt: Attempt, method: str, path: str, body: bytes, status: int
) -> None:
    answered, problem = task.request(method, path, data=body)

    assert answered == status
    assert Problem.model_validate(problem).detail
    assert not (attempt.path / "metrics.ndjson").read_bytes()
    assert not (attempt.path / "xcoms/index.ndjson").read_bytes()


def test_metrics_are_numbered_without_gaps(task: Task, attempt: Attempt) -> None:
    point = {
        "name": "rows",
        "kind": "counter",
        "value": 2,
        "at": "2026-11-22T07:00:00+01:00",
        "tags": {"plant": "north"},
    }

    task.request("POST", "/v1/metrics", point)
    task.request("POST", "/v1/metrics", [point, point])

    points = [MetricPoint.model_validate(line) for line in attempt.lines("metrics.ndjson")]
    assert [point.seq for point in points] == [1, 2, 3]
    assert points[0].tags == {"plant": "north"}
    assert attempt.lines("metrics.ndjson")[0]["at"] == "2026-11-22T06:00:00.000000Z"


def test_log_records_keep_their_level_fields_and_order(attempt: Attempt) -> None:
    task = attempt.talking()

    record = {
        "level": "error",
        "message": "pump stopped\nsee manual",
        "fields": {"pump": 7},
        "at": "2026-11-22T06:00:00Z",
    }
    status, _ = task.request("POST", "/v1/log", record)
    task.end(0)
    attempt.wait()

    assert status == 204
    assert attempt.log.splitlines() == [
        '2026-11-22T06:00:00.000000Z error pump stopped\x1f{"pump":7}',
        "2026-11-22T06:00:00.000000Z error see manual",
    ]


@pytest.mark.parametrize(
    ("said", "code", "kind", "message"),
    [
        ({"kind": "retry", "message": "plant is down", "retry_after_s": 60}, 0, "retry", "plant is down"),
        ({"kind": "failed_for_good", "message": "KeyError: 'x'"}, 1, "failed_for_good", "KeyError: 'x'"),
        ({"kind": "skipped"}, 0, "skipped", None),
        ({"kind": "success"}, 4, "failed", "exit status 4 after the task had reported success"),
        ({"kind": "failed", "message": "m" * 9000}, 1, "failed", "m" * 3999 + "…"),
    ],
)
def test_the_task_may_say_how_it_ended(
    attempt: Attempt, said: dict[str, object], code: int, kind: str, message: str | None
) -> None:
    task = attempt.talking()

    task.request("PUT", "/v1/ending", said)
    task.end(code)
    ending = attempt.wait()

    assert (ending["kind"], ending.get("message"), ending["exit_code"]) == (kind, message, code)
    assert ending.get("retry_after_s") == said.get("retry_after_s")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /v1/context HTTP/2.0\r\n\r\n", 400),
        (b"GET /v1/context HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"PUT /v1/result HTTP/1.1\r\nContent-Length: -1\r\n", 400),
        (b"PUT /v1/result HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n", 400),
        (b"PUT /v1/result HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"PUT /v1/result HTTP/1.1\r\nTransfer-Encoding: gzip\r\n", 400),
        (b"GET /v1/context HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
    ],
)
def test_malformed_http_is_answered_and_the_host_lives_on(task: Task, sent: bytes, status: int) -> None:
    connection = task.raw()
    if not sent.endswith(b"\r\n\r\n"):
        sent += f"Authorization: Bearer {task.secret}\r\n\r\n".encode()

    connection.sendall(sent)
    answer = connection.recv(65536)
    connection.close()

    assert int(answer.split()[1]) == status
    assert task.request("GET", "/v1/context")[0] == 200


def test_a_bad_chunk_is_answered(task: Task) -> None:
    connection = task.raw()
    head = f"PUT /v1/result HTTP/1.1\r\nAuthorization: Bearer {task.secret}\r\nTransfer-Encoding: chunked\r\n\r\n"

    connection.sendall(head.encode() + b"zz\r\n")
    answer = connection.recv(65536)
    connection.close()

    assert answer.startswith(b"HTTP/1.1 400 ")


def test_many_requests_go_over_one_connection(task: Task) -> None:
    connection = task.raw()
    request = (
        f"POST /v1/heartbeat HTTP/1.1\r\nAuthorization: Bearer {task.secret}\r\nContent-Length: 0\r\n\r\n".encode()
    )

    connection.sendall(request * 3)
    answers = b""
    while answers.count(b"\r\n\r\n") < 3:
        answers += connection.recv(65536)
    connection.close()

    assert answers.count(b"HTTP/1.1 204 No Content") == 3
