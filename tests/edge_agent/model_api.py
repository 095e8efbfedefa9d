"""A small API that keeps the protocol's promises in memory, over real sockets: what the agent is tried against."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from leasehold_protocol.v1.agents import Hello, HelloAnswer, Intervals
from leasehold_protocol.v1.leases import Lease, Outcome, OutcomeBatch, RunFacts
from leasehold_protocol.v1.manifest import LiteralValue, ProgramWork, ResultFrom, TaskEntry

TOKEN = "enr_0123456789ab." + "A" * 43


class ModelApi:
    """Leases that a test puts on ``queue`` are handed out; everything delivered is kept to look at."""

    def __init__(self) -> None:
        self.queue: list[Lease] = []
        self.work_came = asyncio.Event()
        self.logs: defaultdict[str, bytes] = defaultdict(bytes)
        self.outcomes: dict[str, Outcome] = {}
        self.outcome_came = asyncio.Event()
        self.xcoms: dict[tuple[str, str], Any] = {}
        self.hellos: list[Hello] = []
        self.renewals: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.bundles: dict[str, bytes] = {}
        self.connections: dict[str, dict[str, Any]] = {}
        self.verdicts: dict[str, str] = {}
        self.renewal_verdicts: dict[str, str] = {}
        self.closed_to_locked: set[str] = set()
        """Paths that answer as they do to an agent that is locked."""
        self.proposed: list[str] = []
        self.takes_approvals = False
        self.poll_wait_s = 20.0
        self.tokens_given = 0
        self.url = ""

    def lock(self, *paths: str) -> None:
        """Lock the agent: these paths are closed, and the poll that waits is answered."""
        self.closed_to_locked |= set(paths)
        self.work_came.set()

    def offer(self, lease: Lease) -> None:
        """Queue a lease."""
        self.queue.append(lease)
        self.work_came.set()

    async def wait_for_outcome(self, attempt: str) -> Outcome:
        """Return the outcome of an attempt when it came."""
        async with asyncio.timeout(20):
            while attempt not in self.outcomes:
                self.outcome_came.clear()
                await self.outcome_came.wait()
        return self.outcomes[attempt]

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[ModelApi]:
        """Listen on a loopback port while the block lasts."""
        config = uvicorn.Config(self.app(), port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server._serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        self.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.should_exit = server.force_exit = True
            await serving

    def app(self) -> Starlette:
        """Return the routes."""
        routes: list[tuple[str, str, Callable[[Request], Any]]] = [
            ("GET", "/.well-known/oauth-authorization-server", self._metadata),
            ("POST", "/oauth/register", self._register),
            ("POST", "/oauth/token", self._token),
            ("POST", "/oauth/device", self._device),
            ("PUT", "/v1/agent/key", self._key),
            ("POST", "/v1/agent/hello", self._hello),
            ("POST", "/v1/agent/leases", self._lease),
            ("POST", "/v1/agent/renewals", self._renew),
            ("POST", "/v1/agent/outcomes", self._outcomes),
            ("PATCH", "/v1/attempts/{attempt}/log", self._log),
            ("POST", "/v1/attempts/{attempt}/metrics", self._metrics),
            ("PUT", "/v1/attempts/{attempt}/xcoms/{key}", self._xcom),
            ("GET", "/v1/bundles/{sha256}", self._bundle),
            ("GET", "/v1/task/connections/{name}", self._connection),
        ]
        return Starlette(routes=[Route(path, self._noted(call), methods=[method]) for method, path, call in routes])

    def _noted(self, call: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            self.requests.append(f"{request.method} {request.url.path}")
            response: Response = await call(request)
            if request.url.path in self.closed_to_locked:
                problem = {"title": "locked", "status": 403, "code": "agent_locked", "detail": "locked: a test"}
                return JSONResponse(problem, 403, media_type="application/problem+json")
            return response

        return endpoint

    async def _metadata(self, request: Request) -> Response:
        url = str(request.base_url).rstrip("/")
        device = {"device_authorization_endpoint": f"{url}/oauth/device"} if self.takes_approvals else {}
        return JSONResponse(
            {"issuer": url, "registration_endpoint": f"{url}/oauth/register", "token_endpoint": f"{url}/oauth/token"}
            | device
        )

    async def _device(self, request: Request) -> Response:
        address = f"{str(request.base_url).rstrip('/')}/device"
        code = {"device_code": "dev-1", "user_code": "WDJB-MJHT", "verification_uri": address, "interval": 0}
        return JSONResponse(code | {"expires_in": 600})

    async def _register(self, request: Request) -> Response:
        if request.headers["authorization"] != f"Bearer {TOKEN}":
            return JSONResponse({"error": "invalid_token", "error_description": "the token is not known"}, 401)
        body = await request.json()
        answer = {"client_id": "agent-1", "client_name": body["client_name"], "site": "north", "team": "default"}
        return JSONResponse(answer | {"jwks": body["jwks"]}, 201)

    async def _token(self, request: Request) -> Response:
        if b"device_code" in await request.body():
            return JSONResponse({"access_token": TOKEN, "token_type": "DPoP", "expires_in": 600})
        self.tokens_given += 1
        return JSONResponse({"access_token": f"at-{self.tokens_given}", "token_type": "DPoP", "expires_in": 600})

    async def _key(self, request: Request) -> Response:
        self.proposed.append((await request.json())["proof"])
        return JSONResponse({"current": "old", "proposed": "new"})

    async def _hello(self, request: Request) -> Response:
        hello = Hello.model_validate_json(await request.body())
        self.hellos.append(hello)
        answer = HelloAnswer(
            agent="agent-1",
            agent_name="edge",
            site="north",
            team="default",
            protocol=1,
            api_version="0",
            slots=hello.slots,
            labels={},
            intervals=Intervals(poll_wait_s=self.poll_wait_s, renew_every_s=1, log_every_s=0.2),
        )
        return Response(answer.model_dump_json(), media_type="application/json")

    async def _lease(self, request: Request) -> Response:
        body = await request.json()
        if not self.queue:
            self.work_came.clear()
            gone = asyncio.ensure_future(request.receive())
            came = asyncio.ensure_future(self.work_came.wait())
            await asyncio.wait([gone, came], timeout=body.get("wait_s", 50), return_when="FIRST_COMPLETED")
            came.cancel()
            gone.cancel()
        return self._leases(body["free_slots"])

    def _leases(self, most: int) -> Response:
        leases, self.queue = self.queue[:most], self.queue[most:]
        if not leases:
            return Response(status_code=204)
        return JSONResponse({"leases": [lease.model_dump(mode="json") for lease in leases], "control": []})

    async def _renew(self, request: Request) -> Response:
        body = await request.json()
        self.renewals.append(body)
        leases = [
            {"attempt": one["attempt"], "verdict": self.renewal_verdicts.get(one["attempt"], "renewed"), "length_s": 60}
            for one in body.get("leases", [])
        ]
        return JSONResponse({"leases": leases})

    async def _outcomes(self, request: Request) -> Response:
        batch = OutcomeBatch.model_validate_json(await request.body())
        acks = []
        for outcome in batch.outcomes:
            known = outcome.attempt in self.outcomes
            self.outcomes.setdefault(outcome.attempt, outcome)
            if outcome.log is not None and outcome.log.offset == len(self.logs[outcome.attempt]):
                self.logs[outcome.attempt] += outcome.log.data
            for xcom in outcome.xcoms:
                self.xcoms[outcome.attempt, xcom.key] = xcom.value
            verdict = self.verdicts.get(outcome.attempt, "duplicate" if known else "recorded")
            acks.append(
                {
                    "attempt": outcome.attempt,
                    "verdict": verdict,
                    "log_offset": len(self.logs[outcome.attempt]),
                    "metric_seq": outcome.metrics[-1].seq if outcome.metrics else None,
                }
            )
        leases, self.queue = self.queue[: batch.free_slots], self.queue[batch.free_slots :]
        self.outcome_came.set()
        return JSONResponse({"outcomes": acks, "leases": [lease.model_dump(mode="json") for lease in leases]})

    async def _log(self, request: Request) -> Response:
        attempt, offset = request.path_params["attempt"], int(request.headers["upload-offset"])
        data = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            data = gzip.decompress(data)
        stands = len(self.logs[attempt])
        if offset != stands:
            problem = {"title": "offset", "status": 409, "code": "offset_mismatch", "offset": stands}
            return JSONResponse(problem, 409, media_type="application/problem+json")
        self.logs[attempt] += data
        log = self.logs[attempt]
        length = request.headers.get("upload-length")
        complete = length is not None and int(length) == len(log)
        if complete and request.headers["upload-checksum"] != f"sha256={hashlib.sha256(log).hexdigest()}":
            self.logs[attempt], complete = b"", False
        return JSONResponse({"offset": len(self.logs[attempt]), "complete": complete})

    async def _metrics(self, request: Request) -> Response:
        return JSONResponse({"seq": max(point["seq"] for point in (await request.json())["points"])})

    async def _xcom(self, request: Request) -> Response:
        self.xcoms[request.path_params["attempt"], request.path_params["key"]] = (await request.json())["value"]
        return Response(status_code=204)

    async def _bundle(self, request: Request) -> Response:
        return Response(self.bundles[request.path_params["sha256"]], media_type="application/zip")

    async def _connection(self, request: Request) -> Response:
        return JSONResponse(self.connections[request.path_params["name"]])


def shell_lease(
    attempt: str, script: str, *, length_s: float = 60.0, result: ResultFrom = ResultFrom.LAST_LINE
) -> Lease:
    """Return a lease on a shell program."""
    task = TaskEntry(
        id="measure",
        work=ProgramWork(argv=[LiteralValue(value=script)], shell=True, result=result),
    )
    instance, _, epoch = attempt.rpartition(".")
    return Lease(
        attempt=attempt,
        task_instance=instance,
        epoch=int(epoch),
        try_number=1,
        length_s=length_s,
        run=RunFacts(
            run="run-1", dag="sensors", dag_version=1, team="default", logical_date=datetime(2026, 11, 22, tzinfo=UTC)
        ),
        task=task,
        task_token="task-token-1",
        task_token_expires_in_s=300,
    )


def as_json(value: object) -> bytes:
    """Return a value as compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()
