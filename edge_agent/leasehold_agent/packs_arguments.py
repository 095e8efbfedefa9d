"""The arguments of ``edge-agent packs``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage]  # has no other name

_FROM = (
    "A pack comes from where updates come from, or from a copy of that repository in a folder (--from).\n"
    "Only what is signed there is taken, a file of yours too.\n\n"
)


def add_packs_commands(commands: Commands, add: Callable[[Commands, str, str, str], argparse.ArgumentParser]) -> None:
    """Add them; ``add`` makes a command with the arguments that all have."""
    text = "list, add or remove Pythons and uv for tasks, from the repository of updates"
    packs = commands.add_parser("packs", help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
    actions = packs.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = add(actions, "list", "packs:list_all", "list the packs that are here")
    listed.add_argument("--available", action="store_true", help="also those that the repository has for this machine")
    listed.epilog = "example: edge-agent packs list --available"
    adding = add(actions, "add", "packs:add", "have a pack, or its newest version, and let tasks have it")
    adding.formatter_class = argparse.RawDescriptionHelpFormatter
    adding.epilog = (
        f"{_FROM}"
        "examples:\n"
        "  edge-agent packs add python3.12\n"
        "  edge-agent packs add uv --from /media/usb/repository\n"
        "  edge-agent packs add ./python3.12-3.12.4-linux-x86_64.tar.gz\n"
    )
    adding.add_argument("pack", metavar="PACK", help="python3.X, uv, or the file of one")
    adding.add_argument("--version", metavar="VERSION", help="this version, and not the newest that the repository has")
    remove = add(
        actions, "remove", "packs:remove", "let no task have a pack any more; it goes when nothing runs with it"
    )
    remove.epilog = "example: edge-agent packs remove python3.12"
    remove.add_argument("pack", metavar="PACK", help="python3.X or uv")
    for parser in (listed, adding):
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--from", dest="folder", metavar="FOLDER", help="a copy of the repository on this machine")
        where.add_argument("--repository", dest="update_repository", metavar="URL", help="where the repository is")
        parser.add_argument("--ca-file", metavar="FILE", help="PEM file of your own certificate authorities")
    for parser in (listed, adding, remove):
        parser.add_argument("--json", action="store_true", help="print JSON")
