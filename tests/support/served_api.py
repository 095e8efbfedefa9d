"""The API on a real socket of this machine, in the test's process, for clients that can't be called over ASGI."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import uvicorn

from leasehold_api.app import make_app
from leasehold_api.building import open_house
from leasehold_api.config import Settings
from leasehold_api.storage.database import Database, make_engine
from tests.support.api_server import Api

STARTED_S = 20


@asynccontextmanager
async def serve_api(state_dir: Path) -> AsyncIterator[tuple[Api, str]]:
    """Serve the API on a free port; return it with its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        settings = Settings(state_dir=state_dir, public_url=address)
        async with open_house(settings) as house:
            app = make_app(house)
            server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
            second = Database(make_engine(settings.database()), publish=lambda _signals: None)
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            try:
                async with httpx.AsyncClient(base_url=address) as client:
                    await _started(client)
                    admin_token = (state_dir / "bootstrap.token").read_text().strip()
                    yield Api(app=app, house=house, client=client, database=second, admin_token=admin_token), address
            finally:
                server.should_exit = True
                await asyncio.wait_for(serving, STARTED_S)
                second.close()


async def _started(client: httpx.AsyncClient) -> None:
    # The socket listens already, so the request waits in its queue until the server takes it.
    answer = await client.get("/healthz", timeout=STARTED_S)
    assert answer.status_code == 200, answer.text
