"""``leasehold check``, which has to be quick: it imports little, so that it can be run with every save."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from leasehold.authoring.problems import Problem
from leasehold.cli import screen
from leasehold.cli.amounts import show_count
from leasehold.cli.dag_files import ReadyDag, read_dag_files
from leasehold.cli.errors import FailedError
from leasehold.cli.mistake_views import show_mistake
from leasehold.cli.options import JsonOption

DagFile = Annotated[Path, typer.Argument(help="The Python file with the DAG.", metavar="FILE")]
DagFiles = Annotated[list[Path], typer.Argument(help="The Python files with the DAGs.", metavar="FILE...")]


def check(files: DagFiles, *, json: JsonOption = False) -> None:
    """Look for mistakes in DAG files before anything is sent. Exit 1 if there are any.

    The files are imported, as a deploy would; their tasks are not run.
    """
    checked = read_dag_files(files)
    mistakes = [mistake for one in checked for mistake in one.mistakes]
    if json:
        screen.write_json(_as_json([dag for one in checked for dag in one.dags], mistakes))
    else:
        for mistake in mistakes:
            show_mistake(mistake, stderr=False)
        for one in checked:
            for dag in one.dags:
                for warning in dag.warnings:
                    show_mistake(warning, stderr=True)
                screen.say(f"{one.file}: {dag.manifest.dag} is fine ({show_count(len(dag.manifest.tasks), 'task')}).")
    if mistakes:
        raise typer.Exit(FailedError.exit_code)


def dags_or_exit(files: Sequence[Path]) -> list[tuple[ReadyDag, Path]]:
    """Return the DAGs of files, each with its file; where one of them has mistakes, show those and end the command."""
    checked = read_dag_files(files)
    if mistakes := [mistake for one in checked for mistake in one.mistakes]:
        for mistake in mistakes:
            show_mistake(mistake, stderr=True)
        raise typer.Exit(FailedError.exit_code)
    return [(dag, one.file) for one in checked for dag in one.dags]


def _as_json(dags: Sequence[ReadyDag], mistakes: Sequence[Problem]) -> dict[str, object]:
    return {
        "ok": not mistakes,
        "dags": [dag.manifest.dag for dag in dags],
        "problems": [_problem(found) for found in mistakes],
        "warnings": [_problem(found) for dag in dags for found in dag.warnings],
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
