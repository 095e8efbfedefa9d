"""The options that many commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from leasehold.cli.errors import WrongInputError

TeamOption = Annotated[
    str | None,
    typer.Option("--team", help="The team; by default the one you signed in for.", show_default=False, metavar="TEAM"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def group(help_text: str) -> typer.Typer:
    """Return a group of commands; typed alone it shows its help."""
    return typer.Typer(help=help_text, no_args_is_help=True, rich_markup_mode="rich")


def pairs(values: list[str], *, option: str) -> dict[str, str]:
    """Return ``NAME=VALUE`` words as a mapping.

    Raises:
        WrongInputError: if one has no ``=`` or no name.
    """
    made: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise WrongInputError(f"{option} takes NAME=VALUE, not {text!r}.")
        made[name] = value
    return made
