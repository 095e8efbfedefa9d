"""``edge-agent run``: the agent in the foreground, as a service manager starts it."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from contextlib import nullcontext

from leasehold_agent import logs
from leasehold_agent.agent import Agent
from leasehold_agent.agent_lock import exclusive
from leasehold_agent.commands.settings import settings_from
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.host import linux
from leasehold_agent.identity.enrolment import load_keys
from leasehold_agent.identity.key_in_use import KeyInUse
from leasehold_agent.identity.key_store import KeyStore
from leasehold_agent.identity.record import Identity, enrolled
from leasehold_agent.service_manager import ServiceManager
from leasehold_agent.settings_in_force import SettingsInForce
from leasehold_agent.updating.place import StartedAs
from leasehold_agent.updating.proving import Proving
from leasehold_agent.version import agent_version


def run(arguments: Namespace) -> Exit:
    """Run until drained; a version that takes over gives back what it can't hold."""
    proving = Proving.take_from(os.environ)
    started_as = StartedAs.this_process()
    with nullcontext() if proving is None else proving.handing_back(started_as):
        return _until_drained(arguments, started_as, proving)


def _until_drained(arguments: Namespace, started_as: StartedAs, proving: Proving | None) -> Exit:
    settings = settings_from(arguments).settings
    logs.configure(settings.log_level)
    manager = ServiceManager.take_from(os.environ)
    os.umask(0o077)
    linux.shut_memory()
    enrolled(settings.state_dir)
    with exclusive(settings.state_dir):
        # Read again: a command that held it may have rotated the key.
        identity = enrolled(settings.state_dir)
        keys, store = load_keys(identity, settings.state_dir, os.environ)
        try:
            in_force = SettingsInForce(settings, lambda: settings_from(arguments).settings)
            return asyncio.run(
                _run(
                    in_force,
                    identity,
                    keys,
                    store,
                    manager,
                    once=arguments.once,
                    started_as=started_as,
                    proving=proving,
                )
            )
        except BaseExceptionGroup as group:
            if (ours := group.subgroup(OperatorError)) is None:
                raise
            raise _first(ours) from None


async def _run(
    settings: SettingsInForce,
    identity: Identity,
    keys: KeyInUse,
    store: KeyStore,
    manager: ServiceManager,
    *,
    once: bool,
    started_as: StartedAs,
    proving: Proving | None,
) -> Exit:
    return await Agent(
        settings,
        identity,
        keys,
        store,
        version=agent_version(),
        once=once,
        manager=manager,
        started_as=started_as,
        proving=proving,
    ).run()


def _first(group: BaseExceptionGroup[OperatorError]) -> OperatorError:
    """Return one of the errors in a group: the operator puts one thing right at a time."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
