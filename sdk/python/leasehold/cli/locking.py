"""What is asked of everybody who locks an agent or a site: what becomes of the attempts that run there."""

from __future__ import annotations

from typing import Annotated

import typer

from leasehold_protocol.v1.fleet import RunningAttempts

RunningOption = Annotated[
    RunningAttempts,
    typer.Option(
        "--running",
        help="Running attempts finish there, or are cancelled and queued for others at once.",
        metavar="finish|cancel",
    ),
]
