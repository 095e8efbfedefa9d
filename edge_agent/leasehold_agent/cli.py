"""The ``edge-agent`` command: where it begins, and how it ends. What is heavy is imported for whom it is needed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from leasehold_agent.exits import Exit, OperatorError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from types import ModuleType


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    match arguments:
        case ["--version"]:
            return _print_version(as_json=False)
        case ["task", *of_a_task]:
            from leasehold_agent.task_commands.main import main as task

            return task(of_a_task)
        case ["update-guard", *trial]:
            from leasehold_agent.updating.guard import main as guard

            return guard(trial)
        case ["host-zygote", *settings]:
            from leasehold_agent.host.zygote import main as zygote

            return zygote(settings)
        case ["attempt-host", directory] if not directory.startswith("-"):
            from leasehold_agent.host.zygote import main as zygote

            return zygote(["attempt-host", directory])
        case _:
            return _run(_parsed(arguments))


def _parsed(arguments: Sequence[str]) -> Namespace:
    from leasehold_agent.arguments import parser
    from leasehold_agent.updating import MARK

    try:
        return parser().parse_args(arguments)
    except SystemExit as error:
        if MARK in os.environ and error.code:
            # A service manager takes wrong arguments for its operator's mistake and starts nothing again.
            from leasehold_agent.updating.proving import hand_back_before_it_began

            hand_back_before_it_began("it does not know the arguments that the agent was started with")
        raise


def _run(arguments: Namespace) -> int:
    if arguments.command == "version":
        return _print_version(as_json=arguments.json)
    module, _, function = arguments.runs.partition(":")
    try:
        return int(getattr(_imported(f"leasehold_agent.commands.{module}"), function or "run")(arguments))
    except OperatorError as error:
        sys.stderr.write(f"edge-agent: {error.cause}\n{error.cure}\n")
        return int(error.exit_code)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return int(Exit.OK)


def _imported(name: str) -> ModuleType:
    """Import a command's module, and leave what came with it to the collector's next full round.

    Nothing that is imported becomes garbage, but for a few circles; looking for it takes a sixth of an agent's start.
    """
    import gc
    import importlib

    from leasehold_protocol import building

    building.defer()  # before anything that defines messages is imported
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def _print_version(*, as_json: bool) -> int:
    from leasehold_agent.version import agent_version

    if not as_json:
        sys.stdout.write(f"edge-agent {agent_version()}\n")
        return int(Exit.OK)
    import json
    import platform

    from leasehold_agent.about import build_facts
    from leasehold_protocol import PROTOCOL_VERSION

    facts = {"version": agent_version(), "protocol": PROTOCOL_VERSION, "python": platform.python_version()}
    sys.stdout.write(json.dumps(facts | {"build": build_facts()}) + "\n")
    return int(Exit.OK)
