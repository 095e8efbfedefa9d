"""``packaging/release.py``: its arguments, and what each command does."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from release import changes
from release.archive import TreeError
from release.changes import Holders
from release.keys import KeyFileError, make_key, read_public, read_signer
from release.packs import add_pack, withdraw_pack
from release.publishing import publish, report
from release.signatures import sign_files, signers_line
from release.workspace import ReleaseError, Workspace

_EXAMPLES = """\
examples:
  release.py key root-1.pem
  release.py init repo --root a.pub b.pub c.pub --root-threshold 2 --targets t.pub --snapshot s.pub --timestamp s.pub
  release.py sign repo root --key root-1.pem
  release.py add repo 0.2.0 dist/edge-agent --platform linux-x86_64
  release.py promote repo 0.2.0 --channel stable
  release.py add-pack repo dist/packs/python3.12
  release.py publish repo --snapshot-key online.pem --timestamp-key online.pem
  release.py sign-packages dist/packages --key targets.pem
  release.py signers targets.pub > leasehold.signers
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or 1 with what is wrong."""
    arguments = _parser().parse_args(argv)
    try:
        sys.stdout.write(_COMMANDS[arguments.command](arguments) + "\n")
    except (ReleaseError, KeyFileError, TreeError) as error:
        sys.stderr.write(f"release.py: {error}\n")
        return 1
    return 0


def _key(arguments: argparse.Namespace) -> str:
    passphrase = None if arguments.online else _new_passphrase(arguments.passphrase_file)
    public = make_key(arguments.file, passphrase)
    return f"{arguments.file} holds the key, {arguments.file.with_suffix('.pub')} its public half: {public.keyid[:12]}…"


def _new_passphrase(file: Path | None) -> bytes:
    if file is not None:
        passphrase = file.read_text().rstrip("\n")
    else:
        import getpass

        passphrase = getpass.getpass("Passphrase: ")
        if getpass.getpass("Once more: ") != passphrase:
            raise KeyFileError("the two passphrases are not the same; nothing was made")
    if not passphrase:
        raise KeyFileError("an offline key needs a passphrase; --online makes one without")
    return passphrase.encode()


def _init(arguments: argparse.Namespace) -> str:
    workspace = Workspace(arguments.repository)
    holders = {role: _holders(arguments, role) for role in changes.ROLES}
    changes.init(workspace, holders, now=_now())
    return report(workspace)


def _holders(arguments: argparse.Namespace, role: str) -> Holders:
    keys = [read_public(file) for file in getattr(arguments, role)]
    return Holders(keys, getattr(arguments, f"{role}_threshold"))


def _add(arguments: argparse.Namespace) -> str:
    workspace = Workspace(arguments.repository)
    path = changes.add_version(workspace, arguments.tree, arguments.version, arguments.platform, now=_now())
    return f"{path} is staged.\n{report(workspace)}"


def _promote(arguments: argparse.Namespace) -> str:
    workspace = Workspace(arguments.repository)
    changes.promote(workspace, arguments.version, arguments.channel, now=_now())
    return report(workspace)


def _add_pack(arguments: argparse.Namespace) -> str:
    workspace = Workspace(arguments.repository)
    pack = add_pack(workspace, arguments.tree, now=_now())
    return f"{pack.target} is staged.\n{report(workspace)}"


def _withdraw_pack(arguments: argparse.Namespace) -> str:
    workspace = Workspace(arguments.repository)
    withdraw_pack(workspace, arguments.pack, arguments.version, now=_now())
    return report(workspace)


def _withdraw(arguments: argparse.Namespace) -> str:
    workspace = Workspace(arguments.repository)
    changes.withdraw(workspace, arguments.version, now=_now())
    return report(workspace)


def _holders_of(arguments: argparse.Namespace) -> str:
    workspace = Workspace(arguments.repository)
    keys = [read_public(file) for file in arguments.keys]
    changes.change_holders(workspace, arguments.role, Holders(keys, arguments.threshold), now=_now())
    return report(workspace)


def _renew(arguments: argparse.Namespace) -> str:
    workspace = Workspace(arguments.repository)
    changes.renew(workspace, arguments.role, now=_now())
    return report(workspace)


def _sign(arguments: argparse.Namespace) -> str:
    workspace = Workspace(arguments.repository)
    changes.sign(workspace, arguments.role, _signer(arguments.key, arguments.passphrase_file))
    return report(workspace)


def _publish(arguments: argparse.Namespace) -> str:
    workspace = Workspace(arguments.repository)
    signers = (_signer(file, arguments.passphrase_file) for file in (arguments.snapshot_key, arguments.timestamp_key))
    snapshot, timestamp = signers
    publish(workspace, snapshot=snapshot, timestamp=timestamp, now=_now())
    return report(workspace)


def _sign_packages(arguments: argparse.Namespace) -> str:
    made = sign_files(arguments.folder, _signer(arguments.key, arguments.passphrase_file))
    return "\n".join(map(str, made))


def _signers(arguments: argparse.Namespace) -> str:
    return "\n".join(signers_line(read_public(file)) for file in arguments.keys)


def _show(arguments: argparse.Namespace) -> str:
    return report(Workspace(arguments.repository))


def _signer(file: Path, passphrase_file: Path | None):  # type: ignore[no-untyped-def]  # what read_signer returns
    if passphrase_file is None:
        return read_signer(file)
    return read_signer(file, lambda _prompt: passphrase_file.read_text().rstrip("\n"))


def _now() -> datetime:
    return datetime.now(UTC)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="release.py",
        description="Makes the repository that agents update from. docs/howto/release.md is the procedure.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    key = commands.add_parser("key", help="make a signing key")
    key.add_argument("file", type=Path, metavar="FILE.pem")
    key.add_argument("--online", action="store_true", help="without a passphrase: for snapshot and timestamp")
    _add_passphrase(key)
    init = _repository(commands, "init", "stage a new repository")
    for role in changes.ROLES:
        init.add_argument(f"--{role}", type=Path, nargs="+", required=True, metavar="FILE.pub", help=f"{role} keys")
        least = 2 if role == "root" else 1
        init.add_argument(f"--{role}-threshold", type=int, default=least, metavar="N", help="how many have to sign")
    add = _repository(commands, "add", "stage a version")
    add.add_argument("version", metavar="VERSION")
    add.add_argument("tree", type=Path, metavar="TREE", help="the folder that make binary built")
    add.add_argument("--platform", default="linux-x86_64", help="what it runs on [linux-x86_64]")
    promote = _repository(commands, "promote", "stage that a channel has a version")
    promote.add_argument("version", metavar="VERSION")
    promote.add_argument("--channel", default="stable")
    _repository(commands, "withdraw", "stage that a version is gone").add_argument("version", metavar="VERSION")
    pack = _repository(commands, "add-pack", "stage a pack, after a look whether it works from another place")
    pack.add_argument("tree", type=Path, metavar="TREE", help="the folder that make_runtime_pack.py made, for example")
    gone = _repository(commands, "withdraw-pack", "stage that a pack is gone")
    gone.add_argument("pack", metavar="PACK", help="like python3.12")
    gone.add_argument("version", metavar="VERSION")
    holders = _repository(commands, "holders", "stage that a role has these keys, and no others")
    holders.add_argument("role", choices=changes.ROLES)
    holders.add_argument("keys", type=Path, nargs="+", metavar="FILE.pub")
    holders.add_argument("--threshold", type=int, required=True, metavar="N")
    _repository(commands, "renew", "stage a role with a later expiry").add_argument("role", choices=["root", "targets"])
    sign = _repository(commands, "sign", "sign what is staged of a role")
    sign.add_argument("role", choices=["root", "targets"])
    sign.add_argument("--key", type=Path, required=True, metavar="FILE.pem")
    _add_passphrase(sign)
    public = _repository(commands, "publish", "serve what is staged, and renew snapshot and timestamp")
    public.add_argument("--snapshot-key", type=Path, required=True, metavar="FILE.pem")
    public.add_argument("--timestamp-key", type=Path, required=True, metavar="FILE.pem")
    _add_passphrase(public)
    packages = commands.add_parser(
        "sign-packages", help="sign SHA256SUMS and every file in it, each in a file of its own"
    )
    packages.add_argument("folder", type=Path, metavar="FOLDER", help="what make packages made: dist/packages")
    packages.add_argument("--key", type=Path, required=True, metavar="FILE.pem")
    _add_passphrase(packages)
    signers = commands.add_parser("signers", help="print what sites check packages against, with ssh-keygen -Y verify")
    signers.add_argument("keys", type=Path, nargs="+", metavar="FILE.pub")
    _repository(commands, "show", "show what is published, what is staged, and who has to sign yet")
    return parser


def _repository(commands: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:  # type: ignore[type-arg]  # has no other name
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
    parser.add_argument("repository", type=Path, metavar="REPOSITORY", help="the folder it is made in")
    return parser


def _add_passphrase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="instead of asking for it")


_COMMANDS = {
    "key": _key,
    "init": _init,
    "add": _add,
    "promote": _promote,
    "withdraw": _withdraw,
    "add-pack": _add_pack,
    "withdraw-pack": _withdraw_pack,
    "holders": _holders_of,
    "renew": _renew,
    "sign": _sign,
    "publish": _publish,
    "sign-packages": _sign_packages,
    "signers": _signers,
    "show": _show,
}
