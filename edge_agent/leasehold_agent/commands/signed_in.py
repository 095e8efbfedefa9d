"""The API as commands call it that act for the agent while no agent runs: signed in with its key, for a moment."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from leasehold_agent.clock import ServerClock
from leasehold_agent.config import Settings
from leasehold_agent.identity.access import CachedToken
from leasehold_agent.identity.enrolment import load_keys
from leasehold_agent.identity.generation import next_generation
from leasehold_agent.identity.key_in_use import KeyInUse
from leasehold_agent.identity.key_store import KeyStore
from leasehold_agent.identity.oauth import TokenRequests
from leasehold_agent.identity.record import Identity
from leasehold_agent.link.api import Api
from leasehold_agent.link.http import Http
from leasehold_agent.link.session import Session
from leasehold_agent.version import agent_version


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Everything that acts in the agent's name."""

    keys: KeyInUse
    store: KeyStore
    tokens: TokenRequests
    access: CachedToken
    api: Api


@asynccontextmanager
async def signed_in(settings: Settings, identity: Identity) -> AsyncGenerator[SignedIn, None]:
    """Act for the agent while the block lasts. Whoever does holds its state directory.

    Raises:
        OperatorError: its key can't be used.
    """
    keys, store = load_keys(identity, settings.state_dir, os.environ)
    clock = ServerClock()
    http = Http(identity.api_url, clock=clock, version=agent_version(), ca_file=settings.ca_file, proxy=settings.proxy)
    tokens = TokenRequests(
        http,
        keys,
        client_id=identity.client_id,
        issuer=identity.issuer,
        clock=clock,
        generation=partial(next_generation, settings.state_dir),
    )
    access = CachedToken(tokens.access_token)
    api = Api(http, Session(http, keys, access, clock))
    try:
        yield SignedIn(keys=keys, store=store, tokens=tokens, access=access, api=api)
    finally:
        await http.close()
