"""The arguments of ``edge-agent policy``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

_EXAMPLES = """\
examples:
  edge-agent policy init > policy.toml
  edge-agent policy check policy.toml
  edge-agent policy explain --dag sensor_report --task read_sensors --connection plant_db
  edge-agent policy explain --dag backup --task copy --signed-by ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo
  edge-agent policy explain --dag backup --task copy --runtime program -- /usr/bin/rsync -a /data/ /backup/
  edge-agent policy explain --dag video --task cut --image registry.example.com/tools/ffmpeg:7
"""


def add_policy_commands(commands: Any, add: Callable[[Any, str, str, str], argparse.ArgumentParser]) -> None:
    """Add the command and its actions; ``add`` makes a parser with what all commands have."""
    policy = commands.add_parser(
        "policy",
        help="check the site's policy, ask it about a task, or print an example",
        description="The site's own policy: what may run here, when and how much of it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = policy.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = add(actions, "check", "policy:check", "name every mistake, or say what is allowed")
    explain = add(actions, "explain", "policy:explain", "say whether a task would run here, and why not")
    add(actions, "init", "policy:init", "print a commented example")
    for parser in (check, explain):
        parser.epilog = _EXAMPLES
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument("--json", action="store_true", help="print JSON")
    check.add_argument("file", nargs="?", metavar="FILE", help="the policy (default: the one in force)")
    explain.add_argument("--file", metavar="FILE", help="the policy (default: the one in force)")
    explain.add_argument("--dag", required=True, metavar="NAME", help="the task's DAG")
    explain.add_argument("--task", required=True, metavar="NAME", help="the task")
    explain.add_argument("--team", default="default", metavar="NAME", help="its team (default: default)")
    explain.add_argument(
        "--runtime",
        choices=["python", "program", "container"],
        help="default: program or container if one is given, else python",
    )
    explain.add_argument("--image", metavar="IMAGE", help="the image of a container task, as its author writes it")
    explain.add_argument("--connection", action="append", default=[], metavar="NAME", help="one it declares")
    explain.add_argument("--variable", action="append", default=[], metavar="KEY", help="one it declares")
    explain.add_argument(
        "--sets", action="append", default=[], metavar="NAME", help="a variable it sets for the program"
    )
    explain.add_argument("--timeout", metavar="DURATION", help="its time-out, like 10m")
    explain.add_argument("--max-offline", default="5m", metavar="DURATION", help="its max_offline (default: 5m)")
    explain.add_argument(
        "--signed-by", metavar="KEY", help="the key that signed its DAG, ed25519:… (default: not signed)"
    )
    explain.add_argument("--signed-at", metavar="TIME", help="when it was signed (default: at the time of --at)")
    explain.add_argument("--at", metavar="TIME", help="when, like 2026-11-22T22:00+01:00 (default: now)")
    explain.add_argument("program", nargs="*", metavar="ARG", help="after --: the program it runs, with its arguments")
