"""The `leasehold` command, put together."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from leasehold.cli.check_app import EXAMPLES
from leasehold.cli.commands import (
    agent_orders,
    api_tokens,
    assets,
    audit,
    authoring,
    backfills,
    checking,
    connections,
    dags,
    dev,
    diff,
    events,
    init,
    inputs,
    keys,
    logs,
    members,
    pools,
    pruning,
    run_list,
    run_operations,
    service_clients,
    sign_in,
    sites,
    teams,
    tokens,
    users,
    variables,
    webhooks,
    why,
)
from leasehold.cli.options import examples

app = typer.Typer(
    name="leasehold",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

WRITE = "Write and deploy"
RUN = "Run and look"
MANAGE = "Manage a team"
YOU = "Sign in"


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"leasehold {_version()}")
        raise typer.Exit


def _version() -> str:
    try:
        return version("leasehold")
    except PackageNotFoundError:
        return "(not installed)"


@app.callback()
def leasehold(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Write DAGs in Python, deploy them, run them wherever the admin's sites are."""


def _add_commands() -> None:
    """Put every command in its place."""
    command = app.command
    command(
        "login",
        rich_help_panel=YOU,
        epilog=examples(
            "leasehold login https://leasehold.example.org",
            "leasehold login https://leasehold.example.org --browser",
            "leasehold login http://127.0.0.1:8420 --token-file leasehold-state/bootstrap.token",
        ),
    )(sign_in.login)
    command("logout", rich_help_panel=YOU, epilog=examples("leasehold logout"))(sign_in.logout)
    command("whoami", rich_help_panel=YOU, epilog=examples("leasehold whoami"))(sign_in.whoami)
    command("init", rich_help_panel=WRITE, epilog=examples("leasehold init", "leasehold init reports"))(init.init)
    command("check", rich_help_panel=WRITE, epilog=EXAMPLES)(checking.check)
    command(
        "lock",
        rich_help_panel=WRITE,
        epilog=examples("leasehold lock sensor_report.py", "leasehold lock sensor_report.py --upgrade"),
    )(authoring.lock)
    command(
        "deploy",
        rich_help_panel=WRITE,
        epilog=examples(
            "leasehold deploy sensor_report.py",
            "leasehold deploy sensor_report.py --dry-run",
            "leasehold deploy sensor_report.py --sign deploy.pem",
            "leasehold deploy sensor_report.py --locked --wheels",
        ),
    )(authoring.deploy)
    command(
        "diff",
        rich_help_panel=WRITE,
        epilog=examples("leasehold diff sensor_report.py", "leasehold diff sensor_report.py --exit-code --json"),
    )(diff.diff)
    command(
        "dev",
        rich_help_panel=WRITE,
        epilog=examples(
            "leasehold dev sensor_report.py",
            "leasehold dev sensor_report.py --param day=2026-11-02 --once",
        ),
    )(dev.dev)
    app.add_typer(dags.app, name="dags", rich_help_panel=WRITE)
    app.add_typer(keys.app, name="keys", rich_help_panel=WRITE)
    run_operations.add_to(run_list.app)
    pruning.add_to(run_list.app)
    app.add_typer(run_list.app, name="runs", rich_help_panel=RUN)
    command(
        "logs",
        rich_help_panel=RUN,
        epilog=examples(
            "leasehold logs 01JD3 -f",
            "leasehold logs 01JD3 read_readings",
            "leasehold logs 01JD3 --level warning --since 10m",
        ),
    )(logs.logs)
    command(
        "why",
        rich_help_panel=RUN,
        epilog=examples("leasehold why 01JD3 read_sensors", "leasehold why 01JD3", "leasehold why 01JD3 --json"),
    )(why.why)
    command(
        "backfill",
        rich_help_panel=RUN,
        epilog=examples(
            "leasehold backfill sensor_report --from 2026-11-01 --to 2026-11-07 --dry-run",
            "leasehold backfill sensor_report --from 2026-11-01 --to 2026-11-07 --max-active 2 --reprocess failed",
        ),
    )(backfills.backfill)
    app.add_typer(backfills.app, name="backfills", rich_help_panel=RUN)
    for name, part in (
        ("sites", sites),
        ("tokens", tokens),
        ("agents", agent_orders),
        ("connections", connections),
        ("variables", variables),
        ("pools", pools),
        ("inputs", inputs),
        ("assets", assets),
        ("events", events),
        ("webhooks", webhooks),
        ("api-tokens", api_tokens),
        ("service-clients", service_clients),
        ("teams", teams),
        ("users", users),
        ("members", members),
        ("audit", audit),
    ):
        app.add_typer(part.app, name=name, rich_help_panel=MANAGE)


_add_commands()
