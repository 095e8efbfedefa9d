"""The arguments of the ``edge-agent`` command. Imported late: what needs none of them starts in half the time."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from leasehold_agent.installing_arguments import add_installing_commands
from leasehold_agent.packs_arguments import add_packs_commands
from leasehold_agent.policy_arguments import add_policy_commands

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage]  # has no other name

_EXAMPLES = """\
examples:
  edge-agent enroll https://leasehold.example.com --token-file token.txt
  leasehold tokens issue north --quiet | edge-agent enroll https://leasehold.example.com --token-file -
  edge-agent enroll https://leasehold.example.com --device
  edge-agent run
  edge-agent status --json
  edge-agent doctor https://leasehold.example.com
  edge-agent pause --for 2h --note 'disk is replaced'
  edge-agent attempts log ATTEMPT
  edge-agent identity show
  edge-agent policy check
  edge-agent update --check
  edge-agent packs add python3.12

settings come from /etc/leasehold/agent.toml (or the file that LEASEHOLD_AGENT_CONFIG names),
then from LEASEHOLD_AGENT_* variables, then from flags; edge-agent config shows what is in effect.

exit codes: 0 ok, 1 a defect of the agent, 2 wrong arguments or settings, 3 not enrolled, 4 enrolment token refused,
5 API unreachable, 6 identity in use, 7 locked, 8 key store unreachable, 9 enrolled already, 10 refused by the API,
11 no such attempt (or version, or pack), 12 no agent runs here, 13 the policy has mistakes or refuses, 14 nothing was
installed or removed, 15 an update or a pack did not work, 16 the update repository is not to be trusted, 143/130 ended
at once by the third TERM/INT
"""


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line; ``runs`` of what it read names the command's module and function."""
    made = argparse.ArgumentParser(
        prog="edge-agent",
        description="Takes leases from a Leasehold API over outbound HTTPS, and runs them on this machine.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--version", action="store_true", help="print the version and end")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_enroll(commands)
    run = _add(commands, "run", "run", "run the agent in the foreground")
    run.add_argument("--once", action="store_true", help="take one lease, finish and deliver it, and end")
    run.add_argument("--slots", type=int, help="how many attempts may run at once")
    run.add_argument("--labels", type=_labels, metavar="A=1,B=2", help="what this machine claims to be")
    run.add_argument("--python", metavar="FILE", help="the interpreter that runs Python tasks")
    run.add_argument("--keep-attempts", type=int, metavar="N", help="delivered attempt directories to keep")
    run.add_argument("--ca-file", metavar="FILE", help="PEM file of your own certificate authorities")
    _add_json(_add(commands, "status", "status", "show what it is, what it runs and why it takes no work"))
    _add_json(_add(commands, "config", "config", "show the effective settings and where each comes from"))
    _add_doctor(commands)
    _add_operating(commands)
    _add_attempts(commands)
    _add_environments(commands)
    add_packs_commands(commands, _add)
    _add_identity(commands)
    add_policy_commands(commands, _add)
    add_installing_commands(commands)
    _add_update(commands)
    _add_json(_add(commands, "version", "version", "print the version, with --json what this build is made of"))
    _add_licences(commands)
    commands.add_parser("task", help="what a running task may ask and tell, for shell scripts: edge-agent task --help")
    host = commands.add_parser("attempt-host", help="run one attempt's host in the foreground, for people")
    host.add_argument("directory", metavar="DIR")
    return made


def _add(commands: Commands, name: str, runs: str, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
    parser.set_defaults(runs=runs)
    parser.add_argument("--state-dir", metavar="DIR", help="where identity, attempts and caches are")
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], help="what is logged at least")
    return parser


def _add_enroll(commands: Commands) -> None:
    enroll = _add(commands, "enroll", "enroll", "make the key, register it with a one-time token, store the identity")
    enroll.formatter_class = argparse.RawDescriptionHelpFormatter
    enroll.epilog = (
        "The token is taken from --token-file (- is standard input), --token, or the variable\n"
        "LEASEHOLD_AGENT_ENROLMENT_TOKEN. Prefer the file: other users can see a command's arguments.\n\n"
        "Without a token:\n"
        "  edge-agent enroll URL --device     a person approves the code that is shown\n"
        "  edge-agent enroll URL --prepare    prints the key's thumbprint; an operator registers it,\n"
        "  edge-agent enroll URL              then this lets the key in\n"
    )
    enroll.add_argument("url", metavar="URL", help="the API's address, like https://leasehold.example.com")
    token = enroll.add_mutually_exclusive_group()
    token.add_argument("--device", action="store_true", help="show a code that a person approves, and wait for that")
    token.add_argument(
        "--prepare", action="store_true", help="only make the key and print its thumbprint, for an operator to register"
    )
    token.add_argument("--token", metavar="TOKEN", help="the token itself, -, file://PATH or fd://N")
    token.add_argument("--token-file", metavar="FILE", help="a file with the token, -, file://PATH or fd://N")
    enroll.add_argument("--name", help="this agent's name in its site (default: the host's name)")
    _add_new_key(enroll)
    _add_json(enroll)


def _add_new_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key-store", choices=["auto", "keyring", "file"], help="where the key is kept")
    parser.add_argument("--ca-file", metavar="FILE", help="PEM file of your own certificate authorities")


def _add_doctor(commands: Commands) -> None:
    doctor = _add(commands, "doctor", "doctor", "look for what is wrong here: each finding names its cure")
    doctor.formatter_class = argparse.RawDescriptionHelpFormatter
    doctor.epilog = (
        "example: edge-agent doctor https://leasehold.example.com\n\n"
        "Works before enrolment, and while the agent runs. Exit code 0: no problem was found, 1: there is one.\n"
    )
    doctor.add_argument("url", metavar="URL", nargs="?", help="the API's address (default: the one it is enrolled at)")
    doctor.add_argument("--ca-file", metavar="FILE", help="PEM file of your own certificate authorities")
    _add_json(doctor)


def _add_operating(commands: Commands) -> None:
    pause = _add(commands, "pause", "operate:pause", "take no new work; what runs goes on, a restart changes nothing")
    pause.add_argument("--note", default="", metavar="TEXT", help="why; status and the API show it")
    pause.add_argument("--for", dest="duration", metavar="2h", help="how long (default: until edge-agent resume)")
    pause.epilog = "example: edge-agent pause --for 2h --note 'disk is replaced'"
    resume = _add(commands, "resume", "operate:resume", "end a pause: take work again")
    drain = _add(commands, "drain", "operate:drain", "take no new work, and end when everything is delivered")
    stop = _add(commands, "stop", "operate:stop", "cancel what runs, and end")
    stop.add_argument("--force", action="store_true", help="end at once; what runs goes on without the agent")
    reload = _add(commands, "reload", "operate:reload", "read the settings again, as SIGHUP does")
    for name, parser in (("resume", resume), ("drain", drain), ("stop", stop), ("reload", reload)):
        parser.epilog = f"example: edge-agent {name}"
    for parser in (pause, resume, drain, stop, reload):
        _add_json(parser)


def _add_attempts(commands: Commands) -> None:
    attempts = commands.add_parser("attempts", help="list the attempt directories on this disk, show one, or its log")
    actions = attempts.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_json(_add(actions, "list", "attempts:list_all", "list them"))
    for name, text in (("show", "show what is on disk about one"), ("log", "print one's log")):
        _add(actions, name, f"attempts:{name}", text).add_argument("attempt", metavar="ATTEMPT")


def _add_licences(commands: Commands) -> None:
    licences = commands.add_parser("licences", help="list whose code is in this binary, or print a licence's text")
    licences.set_defaults(runs="licences")
    licences.epilog = "example: edge-agent licences httpx"
    licences.add_argument("name", metavar="NAME", nargs="?", help="print the text of this one's licence")
    _add_json(licences)


def _add_environments(commands: Commands) -> None:
    environments = commands.add_parser("environments", help="list what is installed for tasks with dependencies")
    actions = environments.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = _add(actions, "list", "environments:list_all", "list them, the longest unused first")
    listed.epilog = "example: edge-agent environments list --json"
    _add_json(listed)
    remove = _add(actions, "remove", "environments:remove", "remove one; it is built again when it is wanted")
    remove.epilog = "example: edge-agent environments remove 3f2a90c1b7de"
    remove.add_argument("environment", metavar="ENVIRONMENT", nargs="?", help="the beginning of its name is enough")
    remove.add_argument("--all", action="store_true", help="all that no attempt uses")


def _add_identity(commands: Commands) -> None:
    identity = commands.add_parser("identity", help="show who this agent is, give it a new key, or move it")
    actions = identity.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_json(_add(actions, "show", "identity:show", "show client id, key, store, age and the next rotation"))
    rotate = _add(actions, "rotate", "identity:rotate", "replace the key now; work goes on")
    rotate.add_argument("--ca-file", metavar="FILE", help="PEM file of your own certificate authorities")
    move = _add(actions, "move", "moving:move", "hand this machine's stopped agent over to another machine's key")
    move.epilog = "example: edge-agent identity move --to THUMBPRINT (as edge-agent identity receive printed it)"
    move.add_argument("--to", required=True, metavar="THUMBPRINT", help="the key that was made on the new machine")
    move.add_argument("--force", action="store_true", help="also when attempts here are lost by it; they are named")
    move.add_argument("--ca-file", metavar="FILE", help="PEM file of your own certificate authorities")
    receive = _add(
        actions, "receive", "moving:receive", "make a key for an agent that moves here; the second time, take it over"
    )
    receive.epilog = "example: edge-agent identity receive https://leasehold.example.com"
    receive.add_argument("url", metavar="URL", help="the API's address")
    _add_new_key(receive)
    _add_json(receive)


def _add_update(commands: Commands) -> None:
    update = _add(commands, "update", "update", "install a newer version, and keep it only if it works")
    update.epilog = "example: edge-agent update --check"
    what = update.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="only say whether there is a newer version")
    what.add_argument("--no-start", action="store_true", help="install it beside the others, and go on as before")
    update.add_argument("--to", metavar="VERSION", help="this version, and not the channel's newest; older ones too")
    update.add_argument("--channel", dest="update_channel", metavar="NAME", help="the channel to follow, like stable")
    update.add_argument("--repository", dest="update_repository", metavar="URL", help="where the versions are")
    update.add_argument("--ca-file", metavar="FILE", help="PEM file of your own certificate authorities")
    _add_json(update)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _labels(text: str) -> dict[str, str]:
    parts = [part.partition("=") for part in text.split(",")]
    if any(not equals for _, equals, _ in parts):
        raise argparse.ArgumentTypeError("labels are written a=1,b=2")
    return {name.strip(): value.strip() for name, _, value in parts}
