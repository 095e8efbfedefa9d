"""``edge-agent enroll``: make this machine an agent of a site."""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import Namespace

from leasehold_agent.agent_lock import exclusive
from leasehold_agent.clock import ServerClock
from leasehold_agent.commands.settings import settings_from
from leasehold_agent.config import Settings, check_url
from leasehold_agent.exits import Exit
from leasehold_agent.identity.enrolment import begin, finish
from leasehold_agent.identity.enrolment_token import EnrolmentToken, find
from leasehold_agent.identity.key import AgentKey
from leasehold_agent.identity.record import Identity, PendingIdentity
from leasehold_agent.link.http import Http
from leasehold_agent.version import agent_version


def run(arguments: Namespace) -> Exit:
    """Enrol, and say as whom."""
    settings = settings_from(arguments).settings
    url = check_url(arguments.url, allow_http=settings.allow_http)
    token = find(arguments.token, arguments.token_file, os.environ)
    with exclusive(settings.state_dir):
        pending, key, kept_in = begin(settings.state_dir, url, settings.key_store, os.environ)
        identity = asyncio.run(_register(settings, pending, key, token))
    sys.stdout.write(
        f"Enrolled as {identity.name} of site {identity.site} (team {identity.team}).\n"
        f"Its key {key.thumbprint} is in {kept_in}.\n"
        f"Start it: edge-agent run --state-dir {settings.state_dir}\n"
    )
    return Exit.OK


async def _register(settings: Settings, pending: PendingIdentity, key: AgentKey, token: EnrolmentToken) -> Identity:
    clock, version = ServerClock(), agent_version()
    http = Http(pending.api_url, clock=clock, version=version, ca_file=settings.ca_file)
    try:
        return await finish(
            http, pending, key, token, settings.state_dir, name=settings.name, version=version, clock=clock
        )
    finally:
        await http.close()
