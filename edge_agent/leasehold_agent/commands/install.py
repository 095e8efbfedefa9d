"""``edge-agent install | uninstall``: for machines without packages, from the binary itself."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import Namespace
from pathlib import Path

from leasehold_agent.attempts.sdk import own_command
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.installing import installation
from leasehold_agent.installing.places import SERVICE, Places, Scope, places
from leasehold_agent.installing.units import launchd_plist, systemd_unit, windows_service
from leasehold_agent.installing.versions import PROGRAM, Versions
from leasehold_agent.version import agent_version


def run(arguments: Namespace) -> Exit:
    """Install the tree this program runs from, or only print the definition of a service."""
    if arguments.package is not None:
        installation.put_packaged(own_tree(), agent_version(), arguments.package)
        return Exit.OK
    chosen = _places(arguments)
    if arguments.print_unit is not None:
        sys.stdout.write(_definition(arguments.print_unit, chosen))
        return Exit.OK
    with_service = not arguments.no_service
    tree, version = own_tree(), agent_version()
    done = installation.install(tree, version, chosen, with_service=with_service, link=arguments.unpacked)
    was = f" Version {done.before} stays beside it." if done.before not in (None, version) else ""
    sys.stdout.write(f"Installed version {version} in {done.tree}.{was}\nCommand: {chosen.command}\n")
    if str(chosen.command.parent) not in os.environ.get("PATH", "").split(os.pathsep):
        sys.stdout.write(f"That folder is not in your PATH: type the whole name, or add {chosen.command.parent}.\n")
    if with_service:
        sys.stdout.write(f"Service: {chosen.unit}\n")
    sys.stdout.write(_next_steps(chosen, runs=done.service_runs, with_service=with_service))
    return Exit.OK


def remove(arguments: Namespace) -> Exit:
    """Take an installation away."""
    if arguments.package is not None:
        prefix, gone = arguments.package, installation.remove_packaged(arguments.package)
    else:
        chosen = _places(arguments)
        prefix, gone = chosen.versions, installation.uninstall(chosen, with_service=not arguments.no_service)
    for version in gone.in_use:
        tree = Versions(prefix).tree(version)
        again = shlex.join([str(tree / PROGRAM), *sys.argv[1:]])  # the command that was typed is gone by then
        sys.stdout.write(
            f"Version {version} stays in {tree}: tasks or an agent still run from it. When they ended, type:\n"
            f"  {again}\n"
        )
    if arguments.package is None:
        rest = "All else is removed" if gone.in_use else "Removed"
        sys.stdout.write(f"{rest}. Settings and the agent's state (identity, attempts) are where they were.\n")
    return Exit.OK


def own_tree() -> Path:
    """Return the tree that this program runs from.

    Raises:
        OperatorError: it is no binary, and has no tree.
    """
    if not getattr(sys, "frozen", False):
        raise OperatorError(
            Exit.NOT_INSTALLED,
            "This edge-agent runs from an installed Python: it is no binary that could install itself.",
            "Take the file edge-agent-VERSION-ARCHITECTURE; --print-unit systemd prints a service's definition.",
        )
    return Path(os.path.realpath(sys.executable)).parent


def _places(arguments: Namespace) -> Places:
    scope: Scope = "user" if arguments.user or (os.geteuid() != 0 and not arguments.system) else "system"
    try:
        home: Path | None = Path.home()
    except RuntimeError:
        home = None
    if home is not None and not home.is_dir():
        home = None
    prefix = None if arguments.prefix is None else Path(arguments.prefix).absolute()
    try:
        return places(scope, os.environ, home=home, prefix=prefix)
    except ValueError as problem:
        raise OperatorError(
            Exit.NOT_INSTALLED,
            f"There is no place for it: {problem}.",
            "Name one with --prefix DIR, and with XDG_CONFIG_HOME the folder of your services; or use --system.",
        ) from problem


def _definition(kind: str, chosen: Places) -> str:
    is_binary = getattr(sys, "frozen", False)
    program = Versions(chosen.versions).program if is_binary else own_command() or Path("edge-agent")
    match kind:
        case "systemd":
            return systemd_unit(program, chosen.scope)
        case "launchd":
            return launchd_plist(program, chosen.scope)
        case _:
            return windows_service(program)


def _next_steps(chosen: Places, *, runs: bool, with_service: bool) -> str:
    is_user = chosen.scope == "user"
    systemctl = "systemctl --user" if is_user else "sudo systemctl"
    if not with_service:
        return f"Next: {chosen.command} enroll URL --token-file FILE, then {chosen.command} run\n"
    if runs:
        return (
            "The service runs the version before until it is restarted; its tasks go on:\n"
            f"  {systemctl} restart {SERVICE}\n"
        )
    enroll = f"{'' if is_user else 'sudo '}{shlex.quote(str(chosen.command))} enroll URL --token-file -"
    linger = "  loginctl enable-linger            (it runs while nobody is signed in, too)\n" if is_user else ""
    return f"Next:\n  {enroll}   (and paste the token)\n  {systemctl} enable --now {SERVICE}\n{linger}"
