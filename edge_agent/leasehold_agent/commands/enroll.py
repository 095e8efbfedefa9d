"""``edge-agent enroll``: make this machine an agent of a site, by a token, a known key, or a person's approval."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from argparse import Namespace
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from leasehold_agent.agent_lock import exclusive
from leasehold_agent.clock import ServerClock
from leasehold_agent.commands.next_steps import told_after_enrolment
from leasehold_agent.commands.settings import settings_from
from leasehold_agent.commands.waiting import spinning
from leasehold_agent.config import Settings, check_url
from leasehold_agent.errors import LinkError
from leasehold_agent.exits import Exit
from leasehold_agent.identity.device_flow import DeviceFlow, Waiting
from leasehold_agent.identity.enrolment import begin, explain, finish, has_begun
from leasehold_agent.identity.enrolment_token import EnrolmentToken, find, is_given
from leasehold_agent.identity.key import AgentKey
from leasehold_agent.identity.key_in_use import KeyInUse
from leasehold_agent.identity.oauth import discover
from leasehold_agent.identity.record import Identity, PendingIdentity
from leasehold_agent.link.http import Http
from leasehold_agent.version import agent_version
from leasehold_protocol.fingerprint import fingerprint


def run(arguments: Namespace) -> Exit:
    """Enrol, and say as whom; or prepare that."""
    loaded = settings_from(arguments)
    settings = loaded.settings
    url = check_url(arguments.url, allow_http=settings.allow_http)
    if arguments.prepare:
        return _prepare(settings, url, as_json=arguments.json)
    token = None if arguments.device or _key_is_enough(arguments, settings, url) else _token(arguments)
    with exclusive(settings.state_dir):
        pending, key, kept_in = begin(settings.state_dir, url, settings.key_store, os.environ)
        identity = asyncio.run(enrolled_by(settings, pending, key, token, by_device=arguments.device))
    if arguments.json:
        facts = {"client_id": identity.client_id, "name": identity.name, "site": identity.site, "team": identity.team}
        sys.stdout.write(json.dumps(facts | key_facts(key)) + "\n")
        return Exit.OK
    sys.stdout.write(
        f"Enrolled as {identity.name} of site {identity.site} (team {identity.team}).\n"
        f"Its key {key.thumbprint} is in {kept_in}.\n"
        f"{told_after_enrolment(settings, loaded.origins, name=identity.name)}"
    )
    return Exit.OK


def key_facts(key: AgentKey) -> dict[str, str]:
    """Return what may be told about a key, for programs."""
    return {"key_thumbprint": key.thumbprint, "key_fingerprint": fingerprint(key.thumbprint)}


def _token(arguments: Namespace) -> EnrolmentToken:
    return find(arguments.token, arguments.token_file, os.environ)


def _key_is_enough(arguments: Namespace, settings: Settings, url: str) -> bool:
    """No token was given, and a key was prepared here before: the API may know it."""
    return not is_given(arguments.token, arguments.token_file, os.environ) and has_begun(settings.state_dir, url)


def _prepare(settings: Settings, url: str, *, as_json: bool) -> Exit:
    with exclusive(settings.state_dir):
        _, key, kept_in = begin(settings.state_dir, url, settings.key_store, os.environ)
    if as_json:
        sys.stdout.write(json.dumps(key_facts(key)) + "\n")
        return Exit.OK
    sys.stdout.write(
        f"This agent's key is in {kept_in}. It never leaves this machine; its thumbprint may be told to anybody:\n\n"
        f"  {key.thumbprint}\n\n"
        "An operator of the team lets it in, for one site:\n\n"
        f"  leasehold agents preregister {key.thumbprint} --site SITE\n\n"
        f"Then, here: edge-agent enroll {url} --state-dir {settings.state_dir}\n"
    )
    return Exit.OK


async def enrolled_by(
    settings: Settings, pending: PendingIdentity, key: AgentKey, token: EnrolmentToken | None, *, by_device: bool
) -> Identity:
    """Register the key: with a token, with the one that a person's approval gives, or with none.

    Raises:
        OperatorError: the API can't be reached, or refuses.
    """
    clock, version = ServerClock(), agent_version()
    async with _connected(pending, settings, clock, version) as http:
        if by_device:
            token = await _approved(http, pending, key, settings.name, clock)
        return await finish(
            http, pending, key, token, settings.state_dir, name=settings.name, version=version, clock=clock
        )


async def _approved(
    http: Http, pending: PendingIdentity, key: AgentKey, name: str, clock: ServerClock
) -> EnrolmentToken:
    try:
        flow = DeviceFlow(http, KeyInUse(key), await discover(http), clock=clock, waiting=Waiting())
        code = await flow.begin(name=name)
        sys.stderr.write(
            f"Let a person approve this agent. Open\n\n  {code.verification_uri}\n\nand type the code\n\n"
            f"  {code.user_code}\n\nIt must show this fingerprint of the agent's key; if it shows another, deny:\n\n"
            f"  {fingerprint(key.thumbprint)}\n\n"
        )
        async with spinning(f"waiting for the approval, at most {code.expires_in / 60:.0f} minutes"):
            return await flow.approval(code)
    except LinkError as error:
        raise explain(error, pending.api_url, None, key.thumbprint) from error


@asynccontextmanager
async def _connected(
    pending: PendingIdentity, settings: Settings, clock: ServerClock, version: str
) -> AsyncGenerator[Http, None]:
    http = Http(pending.api_url, clock=clock, version=version, ca_file=settings.ca_file, proxy=settings.proxy)
    try:
        yield http
    finally:
        await http.close()
