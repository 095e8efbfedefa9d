"""``leasehold dev``."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.commands.runs import what_failed
from leasehold.cli.dev.house import find_programs, own_house
from leasehold.cli.dev.rounds import Rounds
from leasehold.cli.dev.values import FILE
from leasehold.cli.errors import FailedError, WrongInputError
from leasehold.cli.run_params import params_given
from leasehold.cli.session import first_cause
from leasehold_protocol.v1.runs import RunDetail, RunState


def dev(
    file: Annotated[Path, typer.Argument(help="The Python file with the DAG.", metavar="FILE")],
    *,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            "-p",
            help="A parameter; repeat for more. The value is JSON where it can be read so (3, true, [1]), else text.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    params_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Parameters as a JSON object; --param wins over it.")
    ] = None,
    dag: Annotated[str | None, typer.Option(metavar="DAG", help="Which DAG, where the file has several.")] = None,
    slots: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=1, max=64, help="How many tasks may run at once.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Run it once and end; exit 1 if it fails or the file has mistakes.")
    ] = False,
) -> None:
    """Run a DAG on this machine, and again with every save: the real engine, with nothing to set up.

    Connections and variables that the tasks declare come from LEASEHOLD_CONN_<ID> (a URI) and LEASEHOLD_VAR_<KEY>, or
    from leasehold.dev.toml beside the file. Everything is gone when the command ends.
    """
    if not file.is_file():
        raise WrongInputError(f"{file} does not exist, or is no file.", "Name the Python file with the DAG.")
    params = params_given(param or [], params_file)
    program = find_programs()

    async def work() -> RunDetail | None:
        screen.say(f"Starting the service and an agent on this machine ({FILE} and the environment hold secrets).")
        async with own_house(program, slots=slots or os.cpu_count() or 1) as api:
            rounds = Rounds(api, file, dag=dag, params=params)
            if once:
                return await rounds.once()
            await rounds.for_ever()
            return None

    try:
        ended = asyncio.run(work())
    except BaseExceptionGroup as group:
        raise first_cause(group) from group
    if ended is None:
        raise typer.Exit(FailedError.exit_code)
    if ended.state is not RunState.SUCCESS:
        raise FailedError(what_failed(ended))
