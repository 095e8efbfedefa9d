"""Secrets in AWS Secrets Manager, by botocore: credentials come from wherever it finds them for every AWS program.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html (names, versions, errors).
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from leasehold_api.context.references import WHOLE, aws_parts
from leasehold_api.context.resolving import Found, RefusedSourceError, SourceAwayError
from leasehold_api.secret_sources.local import for_team

TIMEOUT_S = 5.0
"""For one reading, finding credentials included."""

CONNECT_S, ANSWER_S = 2.0, 3.0
"""So that a thread does not outlive its reading for long."""

MOST_AT_ONCE = 8

_REFUSED = {
    "ResourceNotFoundException": "there is no such secret, or version of it, in AWS Secrets Manager of this region",
    "AccessDeniedException": "AWS does not let the service read it: check the policy of its role",
    "DecryptionFailure": "AWS can't decrypt it for the service: check its rights to the secret's KMS key",
    "InvalidRequestException": "AWS says that it can't be read now: it may be marked for deletion",
    "InvalidParameterException": "AWS says that this names no secret",
    "ValidationException": "AWS says that this names no secret",
}


class AwsSource:
    """One region's Secrets Manager. botocore is synchronous, so readings have a few threads of their own."""

    def __init__(self, *, region: str, names: list[str], endpoint_url: str | None = None) -> None:
        """Take where to go.

        Args:
            region: Like ``eu-central-1``.
            names: What references' names must begin with (``{team}`` is the team's name); none: anything.
            endpoint_url: Another address than AWS's own: that of a VPC endpoint.
        """
        self._region = region
        self._names = names
        self._endpoint_url = endpoint_url
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="aws-sm")
        self._making = threading.Lock()
        self._client: Any = None

    def close(self) -> None:
        """Let go of the threads; readings under way end with their own time limits."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def read(self, path: str, *, team: str) -> Found:
        """Return a secret's text, and its fields when it is a JSON object; see the port."""
        request = aws_parts(path)
        allowed = [for_team(pattern, team) for pattern in self._names]
        if allowed and not any(request["SecretId"].startswith(begin) for begin in allowed):
            raise RefusedSourceError(f"only names that begin with {' or '.join(allowed)} may be referred to")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                text = await asyncio.get_running_loop().run_in_executor(self._threads, self._text_of, request)
        except TimeoutError:
            raise SourceAwayError("AWS Secrets Manager does not answer in time") from None
        return Found(fields={**_fields(text), WHOLE: text})

    def _text_of(self, request: dict[str, str]) -> str:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError

        # What AWS says about an error is not repeated: it names accounts, roles and addresses.
        try:
            text: object = self._connected().get_secret_value(**request).get("SecretString")
        except ClientError as error:
            raise _explained(error.response) from None
        except NoCredentialsError:
            self._client = None  # botocore looks for credentials when a client is made: look again the next time
            raise SourceAwayError("the service has no AWS credentials: give its host or process a role") from None
        except ParamValidationError:
            raise RefusedSourceError(_REFUSED["ValidationException"]) from None
        except BotoCoreError as error:
            raise SourceAwayError(f"AWS Secrets Manager can't be asked ({type(error).__name__})") from None
        if not isinstance(text, str):
            raise RefusedSourceError("it is binary, not text")
        return text

    def _connected(self) -> Any:
        with self._making:
            if self._client is None:
                self._client = self._made()
            return self._client

    def _made(self) -> Any:
        # Here, not above: half a second and 20 MiB that only those pay who allowed these references.
        from botocore.config import Config
        from botocore.session import Session

        # At debug, botocore logs answers whole and urllib3 logs addresses: no setting of ours may switch that on.
        for name in ("botocore", "urllib3"):
            logging.getLogger(name).setLevel(logging.WARNING)
        config = Config(connect_timeout=CONNECT_S, read_timeout=ANSWER_S, retries={"total_max_attempts": 1})
        return Session().create_client(
            "secretsmanager", region_name=self._region, endpoint_url=self._endpoint_url, config=config
        )


def _explained(answer: Any) -> Exception:
    code = str(answer.get("Error", {}).get("Code"))
    if code in _REFUSED:
        return RefusedSourceError(_REFUSED[code])
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return SourceAwayError(
        f"AWS Secrets Manager answered with status {status}: it is busy, or doesn't know the service"
    )


def _fields(text: str) -> dict[str, str]:
    """Return the fields of a secret that is a JSON object, as the console makes them; any other has none."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {str(name): part if isinstance(part, str) else json.dumps(part) for name, part in value.items()}
