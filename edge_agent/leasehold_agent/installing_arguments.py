"""The arguments of ``edge-agent install`` and ``uninstall``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage]  # has no other name


def add_installing_commands(commands: Commands) -> None:
    """Add both commands."""
    install = commands.add_parser(
        "install",
        help="put this binary in a place of its own, and define its service",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Puts this version beside those that are there, makes it the one in use, and defines the service.\n"
            "Nothing is started. What runs goes on: a newer version is used from the next restart on."
        ),
        epilog=(
            "examples:\n"
            "  sudo edge-agent install --system             for the machine: /usr/local, a user of its own\n"
            "  edge-agent install --user                    for yourself: ~/.local\n"
            "  edge-agent install --user --prefix '/data/edge agent'\n"
            "  edge-agent install --print-unit launchd      only print a definition: systemd, launchd, windows\n"
        ),
        allow_abbrev=False,
    )
    install.set_defaults(runs="install")
    _add_where(install)
    install.add_argument("--print-unit", choices=["systemd", "launchd", "windows"], help="print it, and change nothing")
    # Said by the self-installing file: its tree is its own, goes afterwards, and may be linked instead of copied.
    install.add_argument("--unpacked", action="store_true", help=argparse.SUPPRESS)
    uninstall = commands.add_parser(
        "uninstall",
        help="take the command, the service and all versions away",
        description="Takes away what install made. Settings and the agent's state stay.",
        epilog="example: edge-agent uninstall --user",
        allow_abbrev=False,
    )
    uninstall.set_defaults(runs="install:remove")
    _add_where(uninstall)


def _add_where(parser: argparse.ArgumentParser) -> None:
    scope = parser.add_mutually_exclusive_group()
    scope.add_argument("--user", action="store_true", help="for yourself (default, unless you are root)")
    scope.add_argument("--system", action="store_true", help="for the machine (default for root)")
    parser.add_argument(
        "--prefix", metavar="DIR", help="where lib/leasehold and bin are (default: ~/.local, /usr/local)"
    )
    parser.add_argument("--no-service", action="store_true", help="leave services alone")
    # For the scripts of packages, which bring their own service, user and command.
    parser.add_argument("--package", metavar="DIR", type=Path, help=argparse.SUPPRESS)
