"""The ``leasehold-api`` command."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from leasehold_api import __version__
from leasehold_api.backups.commands import backup, restore
from leasehold_api.config import Settings, SettingsError
from leasehold_api.doctor.command import doctor
from leasehold_api.key_commands import app as keys_app
from leasehold_api.people_commands import check_oidc
from leasehold_api.people_commands import users as users_app
from leasehold_api.terminal import (
    EXIT_DATABASE,
    EXIT_FAILED,
    EXIT_PORT_IN_USE,
    EXIT_SETTINGS,
    EXIT_USAGE,
    DatabaseUrl,
    StateDir,
    console,
    database_trouble,
    fail,
    settings_from,
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
audit = typer.Typer(help="The audit trail.", no_args_is_help=True)
app.add_typer(audit, name="audit")
app.add_typer(keys_app, name="keys")
app.add_typer(users_app, name="users")
app.command("check-oidc")(check_oidc)
app.command("doctor")(doctor)
app.command("backup")(backup)
app.command("restore")(restore)


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"leasehold-api {__version__}\n")
        raise typer.Exit


@app.callback()
def service(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """The Leasehold central service. Example: leasehold-api serve --state-dir /var/lib/leasehold-api"""


@app.command()
def serve(
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes a free one. [default: 8420]")] = None,
    public_url: Annotated[str | None, typer.Option(help="The address that agents and people use.")] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Speak TLS with this certificate (PEM), without a proxy in front.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key (PEM), when it is not in the same file.")] = None,
    local_slots: Annotated[
        int | None, typer.Option(help="Slots of an agent beside the service, for work on this machine. [default: 0]")
    ] = None,
    updates: Annotated[
        Path | None, typer.Option(help="The folder with a repository of agent versions, served at /updates.")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Run the service in the foreground until SIGTERM or Ctrl-C.

    Example: leasehold-api serve --state-dir ./state --port 8420 --local-slots 4
    """
    settings = settings_from(
        state_dir=state_dir,
        database_url=database_url,
        host=host,
        port=port,
        public_url=public_url,
        tls_cert_file=tls_cert,
        tls_key_file=tls_key,
        local_slots=local_slots,
        updates_dir=updates,
        log_level=log_level,
    )
    _serve(settings)


@app.command()
def migrate(state_dir: StateDir = None, database_url: DatabaseUrl = None) -> None:
    """Bring the database to this version's schema. `serve` does this too, when it starts.

    Example: leasehold-api migrate --database-url postgresql://leasehold@db/leasehold
    """
    from sqlalchemy.exc import SQLAlchemyError

    from leasehold_api.storage.database import make_engine
    from leasehold_api.storage.migrate import NewerDatabaseError
    from leasehold_api.storage.migrate import migrate as run

    settings = settings_from(state_dir=state_dir, database_url=database_url)
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        before, after = run(make_engine(settings.database()))
    except (NewerDatabaseError, ValueError) as error:
        fail(str(error), EXIT_DATABASE)
    except SQLAlchemyError as error:
        fail(database_trouble(error), EXIT_DATABASE)
    console.print(f"The schema is {after}" + (", as it was." if before == after else f"; it was {before or 'empty'}."))


@audit.command("verify")
def verify_audit(
    *,
    from_file: Annotated[Path | None, typer.Option(help="An NDJSON export instead of the database.")] = None,
    part: Annotated[bool, typer.Option("--part", help="The file has one team's rows, or filtered ones.")] = False,
    head: Annotated[str | None, typer.Option(help="A head that was noted earlier: it must be in the chain.")] = None,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Walk along the audit trail's hash chain; exit 1 at the first row that was changed, removed or reordered.

    Prints the head's hash: note it somewhere else, and hand it in as --head the next time.

    Example: leasehold-api audit verify --state-dir /var/lib/leasehold-api --head 3f9a…
    """
    from leasehold_api.audit.export import ExportError
    from leasehold_api.auditing import AuditUnreadableError, report, verify_database, verify_file

    try:
        if from_file is not None:
            verdict = verify_file(from_file, is_part=part, noted=head)
        else:
            settings = settings_from(state_dir=state_dir, database_url=database_url)
            verdict = verify_database(settings.database(), noted=head)
    except ExportError as error:
        fail(str(error), EXIT_USAGE)
    except AuditUnreadableError as error:
        fail(str(error), EXIT_DATABASE)
    sys.stdout.write(report(verdict, as_json=as_json))
    if verdict.broken is not None:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def openapi() -> None:
    """Print the OpenAPI document.

    Example: leasehold-api openapi > openapi.json
    """
    from leasehold_api.app import make_app

    sys.stdout.write(json.dumps(make_app().openapi(), indent=2, sort_keys=True) + "\n")


@app.command()
def version(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Print the version.

    Example: leasehold-api version --json
    """
    sys.stdout.write(json.dumps({"version": __version__}) + "\n" if as_json else f"leasehold-api {__version__}\n")


def main() -> None:
    """Run the command."""
    app()


def _serve(settings: Settings) -> None:
    # What is loaded from here on stays: looking through it again and again is a tenth of the start. ``serve`` turns the
    # collector on again.
    gc.disable()
    import uvloop
    from sqlalchemy.exc import SQLAlchemyError

    from leasehold_api.fleet.bootstrap import TOKEN_FILE
    from leasehold_api.local_agent import NoProgramError, find_program
    from leasehold_api.logs import configure
    from leasehold_api.memory import shut_memory
    from leasehold_api.serving import PortInUseError, listen, serve
    from leasehold_api.storage.migrate import NewerDatabaseError

    configure(settings.log_level)
    try:
        local_agent = find_program() if settings.local_slots else None
    except NoProgramError as error:
        fail(str(error), EXIT_SETTINGS)
    shut_memory()
    log = logging.getLogger("leasehold_api")
    if settings.local_sign_in and sys.stderr.isatty() and not (settings.state_dir / TOKEN_FILE).exists():
        command = f"leasehold-api users bootstrap-link --state-dir {settings.state_dir}"
        console.print(f"The first start. To sign in with a browser: {command}", highlight=False, soft_wrap=True)
    try:
        listener = listen(settings)
    except PortInUseError as error:
        fail(str(error), EXIT_PORT_IN_USE)
    except OSError as error:
        fail(f"can't listen on {settings.host}:{settings.port}: {error.strerror}", EXIT_SETTINGS)
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            ready = partial(_say_ready, log)
            runner.run(serve(settings, listener, ready=ready, local_agent=local_agent))
    except SettingsError as error:
        fail(str(error), EXIT_SETTINGS)
    except (NewerDatabaseError, ValueError) as error:
        fail(str(error), EXIT_DATABASE)
    except SQLAlchemyError as error:
        fail(database_trouble(error), EXIT_DATABASE)
    log.info("stopped")


def _say_ready(log: logging.Logger, url: str) -> None:
    log.info("ready", extra={"url": url})
