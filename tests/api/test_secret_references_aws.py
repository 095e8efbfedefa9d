"""References to AWS Secrets Manager, by the real botocore, against the answers that AWS documents.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html. No AWS is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from leasehold_api.config import SettingsError, load
from leasehold_api.context import references
from leasehold_api.secret_sources import aws
from tests.support.api_server import Api, EnrolledAgent
from tests.support.aws_server import AwsServer, serve_aws

NAME = "plants/default/db"
VERSION = "0d1f7c3a-5b0e-4f57-9a51-2f0d6f3b9a77"
READ = "/v1/task/connections/plant_db"


@pytest.fixture(autouse=True)
def aws_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsServer]:
    """Return an AWS that the settings allow, before the API starts."""
    with serve_aws() as server:
        monkeypatch.setenv("LEASEHOLD_API_AWS_SM_REGION", "eu-central-1")
        monkeypatch.setenv("LEASEHOLD_API_AWS_SM_NAMES", '["plants/{team}/"]')
        monkeypatch.setenv("LEASEHOLD_API_AWS_SM_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-own-secret")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        server.secrets[NAME] = {
            "AWSCURRENT": {"SecretString": '{"username": "reader", "password": "from-aws-1", "port": 5432}'},
            "AWSPREVIOUS": {"SecretString": '{"password": "from-aws-0"}'},
            VERSION: {"SecretString": "plain-from-aws"},
            "binary": {"SecretBinary": "AAEC"},
        }
        yield server


async def _read(api: Api, north: EnrolledAgent, **fields: Any) -> httpx.Response:
    body = {"conn_type": "postgres", "sites": ["north"], **fields}
    put = await api.as_person("PUT", "/v1/teams/default/connections/plant_db", json=body)
    assert put.status_code == 201, put.text
    return await north.call("GET", READ, token=await api.lease(north, needs={"connections": ["plant_db"]}))


async def test_fields_versions_and_whole_texts_are_read_and_each_version_once(
    api: Api, north: EnrolledAgent, aws_server: AwsServer
) -> None:
    answer = await _read(
        api,
        north,
        login=f"aws-sm:{NAME}#username",
        password=f"aws-sm:{NAME}#password",
        host=f"aws-sm:{NAME}?version={VERSION}",
        extra={"before": f"aws-sm:{NAME}?stage=AWSPREVIOUS#password", "port": f"aws-sm:{NAME}#port"},
    )

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["login"], body["password"], body["host"]) == ("reader", "from-aws-1", "plain-from-aws")
    assert body["extra"] == {"before": "from-aws-0", "port": "5432"}
    assert sorted(body["secrets"]) == ["5432", "from-aws-0", "from-aws-1", "plain-from-aws", "reader"]
    versions = {asked.get("VersionId") or asked.get("VersionStage") for asked, _ in aws_server.asked}
    assert versions == {None, "AWSPREVIOUS", VERSION}
    assert len(aws_server.asked) == 3
    headers = aws_server.asked[0][1]
    assert headers["x-amz-target"] == "secretsmanager.GetSecretValue"
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-central-1/secretsmanager/aws4_request" in headers["authorization"]
    assert {line.result for line in await api.audited("reference.read")} == {"given"}


@pytest.mark.parametrize(
    "text",
    [
        "aws-sm:plants/rivals/db#password",
        "aws-sm:arn:aws:secretsmanager:eu-central-1:123456789012:secret:plants/default/db-a1b2c3#password",
        "aws-sm:plants/default/../rivals/db#password",
        f"aws-sm:{NAME}#no-such-field",
        f"aws-sm:{NAME}?version={VERSION}#password",
        f"aws-sm:{NAME}?stage=binary",
        f"aws-sm:{NAME}?version=short",
        f"aws-sm:{NAME}?stage=GONE",
        "aws-sm:plants/default/gone",
    ],
)
async def test_what_is_not_allowed_or_not_there_is_refused(api: Api, north: EnrolledAgent, text: str) -> None:
    answer = await _read(api, north, password=text)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_granted"), answer.text
    assert text in answer.json()["detail"]
    assert "from-aws" not in answer.text
    assert [(line.object, line.result) for line in await api.audited("reference.read")] == [(text, "not_granted")]


async def test_another_teams_names_are_refused_without_asking(
    api: Api, north: EnrolledAgent, aws_server: AwsServer
) -> None:
    await _read(api, north, password="aws-sm:plants/rivals/db#password")

    assert aws_server.asked == []


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "AccessDeniedException", (403, "not_granted")),
        (400, "DecryptionFailure", (403, "not_granted")),
        (400, "InvalidRequestException", (403, "not_granted")),
        (400, "ThrottlingException", (503, "unavailable")),
        (400, "UnrecognizedClientException", (503, "unavailable")),
        (400, "ExpiredTokenException", (503, "unavailable")),
        (500, "InternalServiceError", (503, "unavailable")),
        (503, "ServiceUnavailable", (503, "unavailable")),
    ],
)
async def test_what_aws_refuses_says_whether_to_come_back_and_repeats_nothing_of_it(
    api: Api, north: EnrolledAgent, aws_server: AwsServer, status: int, code: str, expected: tuple[int, str]
) -> None:
    aws_server.error = (status, code)

    answer = await _read(api, north, password=f"aws-sm:{NAME}#password")

    assert (answer.status_code, answer.json()["code"]) == expected, answer.text
    assert "secret-role" not in answer.text
    assert len(aws_server.asked) == 1


async def test_an_aws_that_hangs_is_given_up(
    api: Api, north: EnrolledAgent, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "TIMEOUT_S", 0.2)
    aws_server.gate.clear()

    answer = await _read(api, north, password=f"aws-sm:{NAME}#password")

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_an_aws_that_is_not_there_is_unavailable() -> None:
    source = aws.AwsSource(region="eu-central-1", names=[], endpoint_url="http://127.0.0.1:9")

    with pytest.raises(aws.SourceAwayError, match="can't be asked"):
        await source.read(NAME, team="default")
    source.close()


async def test_credentials_that_come_later_are_found(aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    source = aws.AwsSource(region="eu-central-1", names=[], endpoint_url=aws_server.url)
    with pytest.raises(aws.SourceAwayError, match="no AWS credentials"):
        await source.read(NAME, team="default")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")

    found = await source.read(NAME, team="default")

    assert found.fields["password"] == "from-aws-1"
    assert "from-aws-1" not in repr(found)
    source.close()


async def test_no_secret_is_in_the_log_at_debug(
    api: Api, north: EnrolledAgent, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    answer = await _read(api, north, password=f"aws-sm:{NAME}#password")

    assert answer.json()["password"] == "from-aws-1"
    assert "from-aws-1" not in caplog.text
    assert "aws-own-secret" not in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        "aws-sm:",
        "aws-sm:#x",
        f"aws-sm:{NAME}#",
        f"aws-sm:{NAME}#a#b",
        f"aws-sm:{NAME}?stage=",
        f"aws-sm:{NAME}?x=y",
        f"aws-sm:{NAME}?stage=a?version=b",
        "aws-sm:a b",
        "aws-sm:" + "a" * 1000,
        "aws-sm:a\nb",
    ],
)
async def test_a_malformed_reference_is_refused_when_it_is_set(api: Api, text: str) -> None:
    body = {"conn_type": "postgres", "password": text}

    answer = await api.as_person("PUT", "/v1/teams/default/connections/plant_db", json=body)

    assert answer.status_code == 422, answer.text
    with pytest.raises(references.NotAReferenceError):
        references.parse(text)


def test_an_address_without_tls_is_refused_unless_it_is_loopback() -> None:
    with pytest.raises(SettingsError, match="loopback only"):
        load({"aws_sm_endpoint_url": "http://secrets.example"})
