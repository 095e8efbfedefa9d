"""``leasehold init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.dag_files import shown_path
from leasehold.cli.starting.project import start


def init(
    folder: Annotated[Path, typer.Argument(help="Where; it is made where it is missing.", metavar="[DIR]")] = Path(),
) -> None:
    """Start a project: a DAG, its test, settings for running it by hand. Nothing that is there is written over."""
    for file in start(folder):
        screen.say(shown_path(str(file)))
    cd = "" if folder == Path() else f"cd {folder} && "
    screen.say(f"Try it: {cd}leasehold check first_dag.py && pytest && leasehold dev first_dag.py --once")
