"""What every service of the house stands on: the database, signals, the seal, and where secret references lead."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from leasehold_api.config import Settings
from leasehold_api.context.key_files import FileSealer, KeyFiles
from leasehold_api.context.resolving import References
from leasehold_api.context.sealing import Seals
from leasehold_api.http.probe import PURPOSE as PROBE_PURPOSE
from leasehold_api.oauth.possession.nonces import PURPOSE, Nonces
from leasehold_api.secret_sources.choice import allowed_sources
from leasehold_api.signals import Signal, Signals, Topic
from leasehold_api.storage.database import Database, make_engine
from leasehold_api.storage.migrate import migrate
from leasehold_api.storage.notifications import Notifications
from leasehold_api.storage.sql_references import SqlReferenceLog


@dataclass(frozen=True, kw_only=True)
class Foundations:
    """What everything else stands on."""

    settings: Settings
    signals: Signals
    database: Database
    sealer: Seals
    nonces: Nonces
    probes: Nonces
    references: References
    issuer: str


def lay_foundations(settings: Settings, stack: AsyncExitStack) -> Foundations:
    """Open them; what has to be closed is on the stack."""
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    signals = Signals()
    engine = make_engine(settings.database())
    migrate(engine)
    loop = asyncio.get_running_loop()
    if engine.dialect.name == "postgresql":

        def heard(told: list[Signal]) -> None:
            loop.call_soon_threadsafe(signals.publish, told)

        address = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        notifications = Notifications(address, heard=heard)
        stack.callback(notifications.close)

        def publish(made: list[Signal]) -> None:
            signals.publish(made)
            # The audit trail is sealed by the process that wrote to it.
            notifications.tell([signal for signal in made if signal.topic is not Topic.AUDIT])

        database = Database(engine, publish=publish)
    else:
        database = Database(engine, publish=signals.publish)
    database.bind(loop)
    stack.callback(database.close)
    sealer = FileSealer(KeyFiles.of(settings))
    references = References(allowed_sources(settings, stack), SqlReferenceLog(database))
    return Foundations(
        settings=settings,
        signals=signals,
        database=database,
        sealer=sealer,
        nonces=Nonces(partial(sealer.derived, PURPOSE)),
        probes=Nonces(partial(sealer.derived, PROBE_PURPOSE)),
        references=references,
        issuer=settings.issuer(),
    )
