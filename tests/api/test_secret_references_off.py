"""Secret references that no admin allowed."""

from __future__ import annotations

import pytest

from tests.support.api_server import Api, EnrolledAgent


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("env:HOME", "secret_env_prefix"),
        ("file:/etc/hostname", "secret_files_dir"),
        ("vault:secret/db#password", "vault_url"),
        ("aws-sm:plants/db#password", "aws_sm_region"),
    ],
)
async def test_references_are_off_and_the_refusal_says_which_setting_allows_them(
    api: Api, north: EnrolledAgent, text: str, setting: str
) -> None:
    connection = {"conn_type": "http", "password": text, "sites": ["north"]}
    await api.as_person("PUT", "/v1/teams/default/connections/plant_db", json=connection)
    token = await api.lease(north, needs={"connections": ["plant_db"]})

    answer = await north.call("GET", "/v1/task/connections/plant_db", token=token)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_granted")
    assert text in answer.json()["detail"]
    assert setting in answer.json()["detail"]
    assert [line.result for line in await api.audited("reference.read")] == ["not_granted"]
