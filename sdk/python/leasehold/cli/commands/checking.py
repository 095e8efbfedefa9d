"""``leasehold check``, which has to be quick: it imports little, so that it can be run with every save."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leasehold.authoring.problems import Problem
from leasehold.cli import screen
from leasehold.cli.dag_files import CheckedFile, read_dag_file
from leasehold.cli.errors import FailedError
from leasehold.cli.mistake_views import show_mistake
from leasehold.cli.options import JsonOption

DagFile = Annotated[Path, typer.Argument(help="The Python file with the DAG.", metavar="FILE")]


def check(file: DagFile, *, json: JsonOption = False) -> None:
    """Look for mistakes in a DAG file before anything is sent. Exit 1 if there are any.

    The file is imported, as a deploy would; its tasks are not run.
    """
    checked = read_dag_file(file)
    if json:
        screen.write_json(_as_json(checked))
    else:
        _show(checked, file)
    if checked.mistakes:
        raise typer.Exit(FailedError.exit_code)


def checked_or_exit(file: Path) -> CheckedFile:
    """Return what a file holds; where it has mistakes, show them and end the command."""
    checked = read_dag_file(file)
    if checked.mistakes:
        _show(checked, file, stderr=True)
        raise typer.Exit(FailedError.exit_code)
    return checked


def _show(checked: CheckedFile, file: Path, *, stderr: bool = False) -> None:
    for mistake in checked.mistakes:
        show_mistake(mistake, stderr=stderr)
    for dag in checked.dags:
        for warning in dag.warnings:
            show_mistake(warning, stderr=True)
        screen.say(f"{file}: {dag.manifest.dag} is fine ({len(dag.manifest.tasks)} tasks).")


def _as_json(checked: CheckedFile) -> dict[str, object]:
    return {
        "ok": not checked.mistakes,
        "dags": [dag.manifest.dag for dag in checked.dags],
        "problems": [_problem(found) for found in checked.mistakes],
        "warnings": [_problem(found) for dag in checked.dags for found in dag.warnings],
    }


def _problem(found: Problem) -> dict[str, object]:
    return {
        "file": found.file,
        "line": found.line,
        "column": found.column or None,
        "end_column": found.end_column or None,
        "message": found.message,
        "cure": found.cure,
    }
