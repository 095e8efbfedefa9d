"""Authors read back the code that their team has deployed; nobody else does."""

from __future__ import annotations

import hashlib

from tests.support.api_server import Api

CODE = b"PK\x05\x06" + bytes(18)
SHA256 = hashlib.sha256(CODE).hexdigest()
PATH = f"/v1/teams/default/bundles/{SHA256}"


async def test_the_bytes_come_back_as_they_were_sent(api: Api) -> None:
    sent = await api.as_person("PUT", PATH, content=CODE)
    read = await api.as_person("GET", PATH)

    assert sent.status_code == 204
    assert (read.status_code, read.content, read.headers["content-type"]) == (200, CODE, "application/zip")


async def test_another_teams_code_is_not_there(api: Api) -> None:
    await api.as_person("PUT", PATH, content=CODE)
    await api.make_team("others")

    read = await api.as_person("GET", PATH.replace("default", "others"))

    assert (read.status_code, read.json()["code"]) == (404, "not_found")
