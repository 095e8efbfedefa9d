"""``leasehold check`` alone: what the command line is when it begins so. The rest of it is not imported then."""

from __future__ import annotations

import typer

from leasehold.cli.commands.checking import check
from leasehold.cli.options import examples

EXAMPLES = examples("leasehold check sensor_report.py", "leasehold check sensor_report.py --json")


def leasehold() -> None:
    """Write DAGs in Python, deploy them, run them wherever the admin's sites are."""


def check_app() -> typer.Typer:
    """Return the app with its one command."""
    app = typer.Typer(
        name="leasehold",
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(leasehold)  # with it the command keeps its name
    app.command("check", epilog=EXAMPLES)(check)
    return app
