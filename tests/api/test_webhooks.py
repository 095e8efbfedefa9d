"""Webhooks: kept as promised on both databases, signed, sent where they may go, and never in the engine's way."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from leasehold_api.webhooks.guard import RefusedTargetError, checked_target, judged
from leasehold_api.webhooks.sending import signature
from tests.api.conftest import Opener
from tests.api.contracts.webhooks import WebhooksContract
from tests.support.api_server import Api
from tests.support.changes import MANIFEST, T


class TestOnSqlite(WebhooksContract):
    kind = "sqlite"


class TestOnPostgresql(WebhooksContract):
    kind = "postgresql"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.8", "192.168.1.1", "169.254.169.254", "100.64.0.1", "::1", "fe80::1%eth0", "fd00::1",
     "::ffff:10.0.0.8", "2002:a00:8::1", "0.0.0.0", "224.0.0.1"],
)  # fmt: skip
def test_private_and_local_addresses_are_refused(address: str) -> None:
    with pytest.raises(RefusedTargetError):
        judged(["93.184.216.34", address], private_allowed=False)


def test_private_addresses_can_be_allowed_and_nobodys_never() -> None:
    assert judged(["10.0.0.8"], private_allowed=True) == "10.0.0.8"
    with pytest.raises(RefusedTargetError):
        judged(["0.0.0.0"], private_allowed=True)
    assert judged(["93.184.216.34"], private_allowed=False) == "93.184.216.34"


@pytest.mark.parametrize(
    "url", ["http://hooks.example.org/", "ftp://x/", "https:///path", "https://[::1", "https://h:99999/"]
)
def test_what_is_no_safe_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(RefusedTargetError) as refused:
        checked_target(url, private_allowed=False)

    assert url not in str(refused.value)


def test_the_signature_covers_time_and_body() -> None:
    expected = hmac.new(b"s3cret", b'17.{"a":1}', hashlib.sha256).hexdigest()

    assert signature('{"a":1}', "s3cret", at=17) == f"t=17,v1={expected}"


Told = tuple[dict[str, str], bytes]


@asynccontextmanager
async def receiver(*answers: bytes) -> AsyncIterator[tuple[int, asyncio.Queue[Told]]]:
    """Serve HTTP on loopback: each request is answered with the next status line, the last one again and again."""
    told: asyncio.Queue[Told] = asyncio.Queue()
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        status = left.pop(0) if len(left) > 1 else left[0]
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        told.put_nowait((headers | {":path": head[0].split()[1]}, body))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], told


async def _end_a_run(api: Api, target: str) -> str:
    manifest = MANIFEST | {"dag": "told", "on_failure": [target]}
    assert (await api.as_person("POST", f"{T}/dags", json={"manifest": manifest})).is_success
    run = str((await api.as_person("POST", f"{T}/dags/told/runs", json={})).json()["run"])
    marked = await api.as_person("POST", f"{T}/runs/{run}/tasks/extract/mark", json={"state": "failed"})
    assert marked.json()["state"] == "failed"
    return run


async def _listed(api: Api, state: str, *, tried: bool = False) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            found = (await api.as_person("GET", f"{T}/webhooks", params={"state": state})).json()["items"]
            if found and (found[0]["error"] is not None or not tried):
                return dict(found[0])
            await asyncio.sleep(0.02)


async def test_a_connection_s_receiver_is_told_signed_and_under_one_key(opened: Opener) -> None:
    async with opened(webhooks_private_addresses=True) as api, receiver(b"204 No Content") as (port, told):
        fields = {"conn_type": "webhook", "schema": "http", "host": "localhost", "port": port, "password": "s3cret",
                  "extra": {"path": "/alerts"}}  # fmt: skip
        assert (await api.as_person("PUT", f"{T}/connections/alerts", json=fields)).is_success

        run = await _end_a_run(api, "alerts")

        async with asyncio.timeout(20):
            headers, body = await told.get()
        at = int(headers["leasehold-signature"].partition(",")[0].removeprefix("t="))
        assert headers["leasehold-signature"] == signature(body.decode(), "s3cret", at=at)
        assert (headers[":path"], headers["host"]) == ("/alerts", f"localhost:{port}")
        assert headers["idempotency-key"] == json.loads(body)["id"]
        assert json.loads(body)["run"] == run
        assert (await _listed(api, "delivered"))["tries"] == 1


async def test_nothing_goes_to_a_private_address_by_default(opened: Opener) -> None:
    async with opened() as api, receiver(b"204 No Content") as (port, told):
        await _end_a_run(api, f"https://localhost:{port}/")

        dead = await _listed(api, "dead")

        assert "private address" in dead["error"]
        assert told.empty()


async def test_a_redirect_is_not_followed(opened: Opener) -> None:
    there = b"302 Found\r\nLocation: http://127.0.0.1:9/"
    async with opened(webhooks_private_addresses=True) as api, receiver(there) as (port, _told):
        await _end_a_run(api, f"http://127.0.0.1:{port}/")

        assert "redirects elsewhere" in (await _listed(api, "dead"))["error"]


async def test_what_is_not_taken_waits_for_its_next_try(opened: Opener) -> None:
    async with opened(webhooks_private_addresses=True) as api, receiver(b"503 Busy") as (port, told):
        await _end_a_run(api, f"http://127.0.0.1:{port}/")

        async with asyncio.timeout(20):
            await told.get()
        waiting = await _listed(api, "waiting", tried=True)
        assert waiting["error"] == "it answers with status 503"
        assert waiting["due_at"] is not None


async def test_a_connection_that_is_no_webhook_gets_nothing(opened: Opener) -> None:
    async with opened(webhooks_private_addresses=True) as api, receiver(b"204 No Content") as (port, told):
        fields = {"conn_type": "postgres", "host": "127.0.0.1", "port": port, "password": "s3cret"}
        assert (await api.as_person("PUT", f"{T}/connections/plant_db", json=fields)).is_success

        await _end_a_run(api, "plant_db")

        assert "is no webhook" in (await _listed(api, "dead"))["error"]
        assert told.empty()
