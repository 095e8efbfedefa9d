"""Which sources of secrets the settings allow."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack

import httpx

from leasehold_api.config import Settings
from leasehold_api.context.references import Scheme
from leasehold_api.context.resolving import SecretSource
from leasehold_api.secret_sources.aws import AwsSource
from leasehold_api.secret_sources.local import EnvironmentSource, FileSource
from leasehold_api.secret_sources.vault import TIMEOUT_S, VaultSource


def allowed_sources(settings: Settings, stack: AsyncExitStack) -> dict[Scheme, SecretSource]:
    """Return the sources by scheme; what they hold open is closed with ``stack``."""
    sources: dict[Scheme, SecretSource] = {}
    if settings.secret_env_prefix is not None:
        sources[Scheme.ENV] = EnvironmentSource(settings.secret_env_prefix, os.environ)
    if settings.secret_files_dir is not None:
        sources[Scheme.FILE] = FileSource(settings.secret_files_dir)
    if settings.vault_url is not None and settings.vault_token_file is not None:
        client = httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False)
        stack.push_async_callback(client.aclose)
        sources[Scheme.VAULT] = VaultSource(
            client,
            url=settings.vault_url,
            token_file=settings.vault_token_file,
            namespace=settings.vault_namespace,
            paths=settings.vault_paths,
        )
    if settings.aws_sm_region is not None:
        aws = AwsSource(
            region=settings.aws_sm_region, names=settings.aws_sm_names, endpoint_url=settings.aws_sm_endpoint_url
        )
        stack.callback(aws.close)
        sources[Scheme.AWS] = aws
    return sources
