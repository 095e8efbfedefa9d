"""The OpenAPI document, which anybody may have."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from leasehold_api.app import make_app
from leasehold_api.http import description


@pytest.mark.asyncio
async def test_the_document_is_made_once_however_many_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    describe = description.describe

    def noted(app: FastAPI) -> dict[str, Any]:
        made.append(describe(app))
        return made[-1]

    monkeypatch.setattr(description, "describe", noted)
    transport = httpx.ASGITransport(make_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://leasehold") as client:
        answers = await asyncio.gather(*(client.get("/v1/openapi.json") for _ in range(5)))

    assert [answer.json() for answer in answers] == made * 5
    assert {answer.headers["content-type"] for answer in answers} == {"application/json"}
