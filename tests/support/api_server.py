"""The real API app on a real database, called over ASGI, with what tests of identity and context need at hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, insert, select

from leasehold_api import clock
from leasehold_api.app import make_app
from leasehold_api.building import open_house
from leasehold_api.config import Settings
from leasehold_api.http.house import House
from leasehold_api.oauth.tokens.task_tokens import TaskTokens, scopes_for
from leasehold_api.storage import tables
from leasehold_api.storage.database import Database, make_engine
from leasehold_protocol.v1.manifest import TaskEntry
from tests.support.agent_key import AgentKey

T = TypeVar("T")

on_both_stores = pytest.mark.parametrize("api", ["sqlite", "postgresql"], indirect=True)
"""Marks a test that runs on SQLite and on PostgreSQL."""

ISSUER = "http://127.0.0.1:8420"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class EnrolledAgent:
    """An agent that enrolled for real."""

    api: Api
    id: str
    site: str
    key: AgentKey
    token: str = field(default="", repr=False)

    async def sign_in(self) -> str:
        """Get an access token."""
        answer = await self.api.ask_token(self.key, self.id)
        assert answer.status_code == 200, answer.text
        self.token = answer.json()["access_token"]
        return self.token

    async def call(self, method: str, path: str, *, token: str | None = None, **more: Any) -> httpx.Response:
        """Call a route with the access token, or another one bound to the same key, and a fresh proof."""
        token = token or self.token
        proof = self.key.proof(method, ISSUER + path, token=token)
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof, **more.pop("headers", {})}
        return await self.api.client.request(method, path, headers=headers, **more)


@dataclass
class Api:
    """A running API."""

    app: FastAPI
    house: House
    client: httpx.AsyncClient
    database: Database
    admin_token: str

    @property
    def nonce(self) -> str:
        """A nonce for a DPoP proof, as this API hands them out."""
        return self.house.nonces.fresh(now=clock.now())

    async def as_person(self, method: str, path: str, *, token: str | None = None, **more: Any) -> httpx.Response:
        """Call a route with an API token; the platform admin's by default."""
        headers = {"Authorization": f"Bearer {token or self.admin_token}"}
        return await self.client.request(method, path, headers=headers, **more)

    async def make_site(self, name: str, *, team: str = "default", **write: Any) -> None:
        """Make or change a site."""
        answer = await self.as_person("PUT", f"/v1/teams/{team}/sites/{name}", json=write)
        assert answer.status_code in {200, 201}, answer.text

    async def make_team(self, name: str) -> None:
        """Make a team."""
        answer = await self.as_person("POST", "/v1/teams", json={"name": name})
        assert answer.status_code == 201, answer.text

    async def make_api_token(self, role: str, *, team: str = "default", **more: Any) -> str:
        """Issue an API token."""
        answer = await self.as_person(
            "POST", f"/v1/teams/{team}/api-tokens", json={"name": f"{role}-1", "role": role, **more}
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def make_enrolment_token(self, site: str, *, team: str = "default", **request: Any) -> str:
        """Issue an enrolment token."""
        answer = await self.as_person("POST", f"/v1/teams/{team}/sites/{site}/enrolment-tokens", json=request)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def ask_enrolment(
        self, key: AgentKey, token: str, *, proof: str | None = None, **body: Any
    ) -> httpx.Response:
        """Ask to enrol a key."""
        proof = proof or key.proof("POST", f"{ISSUER}/oauth/register", token=token, nonce=self.nonce)
        registration = {"client_name": "north-1", "jwks": {"keys": [key.public_jwk]}, **body}
        headers = {"Authorization": f"Bearer {token}", "DPoP": proof}
        return await self.client.post("/oauth/register", headers=headers, json=registration)

    async def enrol(self, site: str, *, team: str = "default", name: str = "north-1") -> EnrolledAgent:
        """Enrol a new agent and sign it in."""
        key = AgentKey()
        answer = await self.ask_enrolment(key, await self.make_enrolment_token(site, team=team), client_name=name)
        assert answer.status_code == 201, answer.text
        agent = EnrolledAgent(api=self, id=answer.json()["client_id"], site=site, key=key)
        await agent.sign_in()
        return agent

    async def ask_token(
        self,
        key: AgentKey,
        client_id: str,
        *,
        assertion: str | None = None,
        proof: str | None = None,
        **form: str,
    ) -> httpx.Response:
        """Ask for an access token."""
        fields = {
            "grant_type": "client_credentials",
            "client_assertion_type": JWT_BEARER,
            "client_assertion": assertion or key.assertion(client_id, ISSUER),
            **form,
        }
        proof = proof or key.proof("POST", f"{ISSUER}/oauth/token", nonce=self.nonce)
        return await self.client.post("/oauth/token", headers={"DPoP": proof}, data=fields)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Look into the database."""
        return await self.database.read(query)

    async def audited(self, action: str) -> list[Any]:
        """Return the audit lines of an action, oldest first."""
        query = select(tables.audit).where(tables.audit.c.action == action).order_by(tables.audit.c.id)
        return list(await self.read(lambda connection: connection.execute(query).all()))

    async def lease(
        self, agent: EnrolledAgent, *, instance: str = "ti_1", epoch: int = 1, lease_s: float = 300, **entry: Any
    ) -> str:
        """Put a running task instance that ``agent`` holds into the database; return its task token."""
        now = clock.now()
        task = {"id": "extract", "work": {"kind": "program", "argv": [{"kind": "literal", "value": "true"}]}, **entry}
        manifest = json.dumps({"dag": "sensors", "tasks": [task]})
        site_id, team_id, team = await self.read(
            lambda connection: tuple(
                connection.execute(
                    select(tables.agents.c.site_id, tables.agents.c.team_id, tables.teams.c.name)
                    .join(tables.teams, tables.teams.c.id == tables.agents.c.team_id)
                    .where(tables.agents.c.id == agent.id)
                ).one()
            )
        )
        rows: list[tuple[Any, dict[str, Any]]] = [
            (tables.dags, {"id": f"dag_{instance}", "team_id": team_id, "name": f"sensors-{instance}", "version": 1}),
            (
                tables.dag_versions,
                {
                    "id": f"ver_{instance}",
                    "dag_id": f"dag_{instance}",
                    "version": 1,
                    "manifest": manifest,
                    "manifest_sha256": "0" * 64,
                    "created_at": now,
                    "created_by": "test",
                },
            ),
            (
                tables.runs,
                {
                    "id": f"run_{instance}",
                    "team_id": team_id,
                    "dag_id": f"dag_{instance}",
                    "dag_version_id": f"ver_{instance}",
                    "state": "running",
                    "trigger": "manual",
                    "params": "{}",
                    "logical_date": now,
                    "open_tasks": 1,
                    "created_by": "test",
                    "created_at": now,
                },
            ),
            (tables.placements, {"id": f"pl_{instance}", "team_id": team_id, "needs": "{}"}),
            (
                tables.task_instances,
                {
                    "id": instance,
                    "run_id": f"run_{instance}",
                    "dag_version_id": f"ver_{instance}",
                    "team_id": team_id,
                    "task": "extract",
                    "position": 0,
                    "state": "running",
                    "priority": 0,
                    "placement_id": f"pl_{instance}",
                    "waits_for": 0,
                    "epoch": epoch,
                    "agent_id": agent.id,
                    "site_id": site_id,
                    "lease_length_s": lease_s,
                    "expires_at": now + lease_s,
                },
            ),
        ]
        await self.database.write(lambda tx: [tx.run(insert(table), row) and None for table, row in rows] and None)
        granted = (
            select(tables.connections.c.name)
            .join(tables.connection_grants, tables.connection_grants.c.connection_id == tables.connections.c.id)
            .where(tables.connection_grants.c.site_id == site_id)
        )
        names = await self.read(lambda connection: list(connection.execute(granted).scalars()))
        token, _ = TaskTokens(issuer=ISSUER, keys=self.house.signing_keys).issue(
            agent_id=agent.id,
            site_id=site_id,
            team_id=team_id,
            team=team,
            jkt=agent.key.jkt,
            attempt=f"{instance}.{epoch}",
            task_instance=instance,
            epoch=epoch,
            run=f"run_{instance}",
            dag=f"sensors-{instance}",
            task="extract",
            scopes=scopes_for(TaskEntry.model_validate(task), names),
            lease_left_s=lease_s,
            now=now,
        )
        return token


@asynccontextmanager
async def open_api(state_dir: Path, *, database_url: str | None = None, **more: Any) -> AsyncIterator[Api]:
    """Run the API in this process, without a socket, on a database of its own."""
    settings = Settings(state_dir=state_dir, database_url=database_url, **{"public_url": ISSUER, **more})
    async with open_house(settings) as house:
        app = _app(house)
        second = Database(make_engine(settings.database()), publish=lambda _signals: None)
        try:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
                admin_token = (state_dir / "bootstrap.token").read_text().strip()
                yield Api(app=app, house=house, client=client, database=second, admin_token=admin_token)
        finally:
            second.close()


_apps: list[FastAPI] = []


def _app(house: House) -> FastAPI:
    """Return one app for all tests of a process, with another house each time: its routes take long to build."""
    if not _apps:
        _apps.append(make_app(house))
    _apps[0].state.house = house
    return _apps[0]
