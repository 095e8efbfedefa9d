"""The `leasehold` command, put together: of all its commands, or of the one that was typed.

Importing what every command needs takes several times as long as any one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from leasehold.cli.examples import examples

WRITE = "Write and deploy"
RUN = "Run and look"
MANAGE = "Manage a team"
YOU = "Sign in"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is: its name, its module in ``commands``, and where the help shows it.

    A function of the module's with the name of the command is a command of its own, and has examples; else the module's
    ``app`` is a group of commands.
    """

    name: str
    module: str
    panel: str
    examples: tuple[str, ...] = ()

    def add_to(self, app: typer.Typer) -> None:
        """Import it, and put it in its place."""
        module = import_module(f"leasehold.cli.commands.{self.module}")
        if self.examples:
            epilog = examples(*self.examples)
            app.command(self.name, rich_help_panel=self.panel, epilog=epilog)(getattr(module, self.name))
        else:
            app.add_typer(module.app, name=self.name, rich_help_panel=self.panel)


PLACES = (
    Place(
        "login",
        "sign_in",
        YOU,
        (
            "leasehold login https://leasehold.example.org",
            "leasehold login https://leasehold.example.org --browser",
            "leasehold login http://127.0.0.1:8420 --token-file leasehold-state/bootstrap.token",
        ),
    ),
    Place("logout", "sign_in", YOU, ("leasehold logout",)),
    Place("whoami", "sign_in", YOU, ("leasehold whoami",)),
    Place("init", "init", WRITE, ("leasehold init", "leasehold init reports")),
    Place("check", "checking", WRITE, ("leasehold check sensor_report.py", "leasehold check dags/*.py --json")),
    Place("lock", "authoring", WRITE, ("leasehold lock sensor_report.py", "leasehold lock sensor_report.py --upgrade")),
    Place(
        "deploy",
        "authoring",
        WRITE,
        (
            "leasehold deploy sensor_report.py",
            "leasehold deploy dags/*.py --dry-run",
            "leasehold deploy sensor_report.py --sign deploy.pem",
            "leasehold deploy sensor_report.py --locked --wheels",
        ),
    ),
    Place(
        "diff",
        "diff",
        WRITE,
        ("leasehold diff sensor_report.py", "leasehold diff sensor_report.py --exit-code --json"),
    ),
    Place(
        "dev",
        "dev",
        WRITE,
        ("leasehold dev sensor_report.py", "leasehold dev sensor_report.py --param day=2026-11-02 --once"),
    ),
    Place("dags", "dags", WRITE),
    Place("keys", "keys", WRITE),
    Place("runs", "run_group", RUN),
    Place(
        "logs",
        "logs",
        RUN,
        (
            "leasehold logs 01JD3 -f",
            "leasehold logs 01JD3 read_readings",
            "leasehold logs 01JD3 --level warning --since 10m",
        ),
    ),
    Place(
        "why",
        "why",
        RUN,
        ("leasehold why 01JD3 read_sensors", "leasehold why 01JD3", "leasehold why 01JD3 --json"),
    ),
    Place(
        "backfill",
        "backfills",
        RUN,
        (
            "leasehold backfill sensor_report --from 2026-11-01 --to 2026-11-07 --dry-run",
            "leasehold backfill sensor_report --from 2026-11-01 --to 2026-11-07 --max-active 2 --reprocess failed",
        ),
    ),
    Place("backfills", "backfills", RUN),
    Place("sites", "sites", MANAGE),
    Place("tokens", "tokens", MANAGE),
    Place("agents", "agent_orders", MANAGE),
    Place("connections", "connections", MANAGE),
    Place("variables", "variables", MANAGE),
    Place("pools", "pools", MANAGE),
    Place("inputs", "inputs", MANAGE),
    Place("assets", "assets", MANAGE),
    Place("events", "events", MANAGE),
    Place("webhooks", "webhooks", MANAGE),
    Place("api-tokens", "api_tokens", MANAGE),
    Place("service-clients", "service_clients", MANAGE),
    Place("teams", "teams", MANAGE),
    Place("users", "users", MANAGE),
    Place("members", "members", MANAGE),
    Place("audit", "audit", MANAGE),
)


def make_app(first: str | None = None) -> typer.Typer:
    """Return the command line; of it only the command called ``first``, if there is one of that name."""
    app = typer.Typer(
        name="leasehold",
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(leasehold)
    for place in _wanted(first):
        place.add_to(app)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"leasehold {_version()}")
        raise typer.Exit


def leasehold(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Write DAGs in Python, deploy them, run them wherever the admin's sites are."""


def _wanted(first: str | None) -> Iterator[Place]:
    is_known = any(place.name == first for place in PLACES)
    return (place for place in PLACES if not is_known or place.name == first)


def _version() -> str:
    try:
        return version("leasehold")
    except PackageNotFoundError:
        return "(not installed)"
