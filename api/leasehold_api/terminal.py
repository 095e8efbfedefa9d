"""What the commands of ``leasehold-api`` share: flags, settings, errors with exit statuses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from leasehold_api.config import Settings, SettingsError, load

console = Console(stderr=True, soft_wrap=True)

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_SETTINGS = 3
EXIT_PORT_IN_USE = 4
EXIT_DATABASE = 5

StateDir = Annotated[Path | None, typer.Option(help="Where everything durable is. [default: ./leasehold-state]")]
DatabaseUrl = Annotated[
    str | None, typer.Option(help="postgresql://…; better in LEASEHOLD_API_DATABASE_URL when it has a password.")
]


def settings_from(**flags: Any) -> Settings:
    """Return the settings, or end the program naming what is wrong with them."""
    try:
        return load(flags)
    except SettingsError as error:
        fail(str(error), EXIT_SETTINGS)


def database_trouble(error: Exception) -> str:
    """Return what to say of a database that can't be used."""
    cause = str(getattr(error, "orig", error)).strip().splitlines()[0]
    return f"the database can't be used: {cause}. Check the address, that it runs, and who may sign in."


def fail(text: str, code: int) -> NoReturn:
    """End the program with an error."""
    console.print(f"[bold red]error:[/] {text}", highlight=False)
    raise typer.Exit(code)
