"""``edge-agent packs``: Pythons and uv for tasks, from the repository that updates come from."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leasehold_agent.collection import tree_size
from leasehold_agent.commands.settings import settings_from
from leasehold_agent.config import Settings
from leasehold_agent.control import give_order
from leasehold_agent.environments.tools import find_uv
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.packs.machine import platform_name
from leasehold_agent.packs.names import NAME, UV, VERSION, Pack, did_you_mean, is_file, minor_of
from leasehold_agent.packs.store import KeptPack, PackStore, StoreBusyError
from leasehold_agent.updating.place import find_repository, find_versions, read_root, working_folder
from leasehold_agent.version import agent_version

if TYPE_CHECKING:
    from leasehold_agent.updating.repository import Repository

_MIB = 1024 * 1024
_PATIENCE_S = 10.0
_LATER = "The running agent did not answer, and sees that within ten minutes."


def list_all(arguments: Namespace) -> Exit:
    """Print the packs that are here, and those that could be had if that was asked for."""
    settings = settings_from(arguments).settings
    here = _kept(_store(settings))
    there: dict[str, str] | None = None
    if arguments.available:
        from leasehold_agent.updating.packs import packs_in

        with _repository(settings, arguments.folder) as repository:
            there = packs_in(repository, platform_name())
    if arguments.json:
        facts: dict[str, Any] = {"installed": [_document(one) for one in here]}
        if there is not None:
            facts["available"] = [{"pack": name, "version": there[name]} for name in sorted(there, key=minor_of)]
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return Exit.OK
    lines = [f"{one.name:<11} {one.version:<14} {_size(one):7.1f} MiB  {_state(one)}" for one in here]
    sys.stdout.write("\n".join(lines or ["No pack is here."]) + "\n")
    if there is not None:
        offered = {one.name: one.version for one in here if one.is_offered}
        lines = [
            f"{name:<11} {there[name]:<14} {_known(there[name], offered.get(name), name)}"
            for name in sorted(there, key=minor_of)
        ]
        sys.stdout.write("\n".join(["", f"The repository has for {platform_name()}:", *(lines or ["nothing"])]) + "\n")
    return Exit.OK


def add(arguments: Namespace) -> Exit:
    """Have a pack, and let tasks have it."""
    from leasehold_agent.updating.packs import obtain_pack, pack_named, pack_of_file

    settings = settings_from(arguments).settings
    file = Path(arguments.pack) if is_file(arguments.pack) else None
    given = pack_of_file(file, platform_name()) if file is not None else None
    if given is None:
        _check_name(arguments.pack)
    _check_version(arguments.version, given)
    with _repository(settings, arguments.folder) as repository:
        pack = given or pack_named(repository, arguments.pack, platform_name(), version=arguments.version)
        is_new = obtain_pack(repository, _store(settings), pack, file=file)
    was_told = _tell_agent(settings) if is_new else True
    if arguments.json:
        facts = {"pack": pack.name, "version": pack.version, "is_new": is_new, "program": _program(settings, pack)}
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return Exit.OK
    said = [f"Tasks can have {pack.name} {pack.version}." if is_new else f"{pack.name} {pack.version} is here already."]
    if pack.name != UV and not _find_uv(settings):
        said.append("Tasks that need packages with it need uv too: edge-agent packs add uv")
    sys.stdout.write("\n".join([*said, *([] if was_told else [_LATER])]) + "\n")
    return Exit.OK


def remove(arguments: Namespace) -> Exit:
    """Let no task have a pack any more, and remove it if nothing runs with it."""
    settings = settings_from(arguments).settings
    store = _store(settings)
    _check_name(arguments.pack)
    if arguments.pack not in {one.name for one in _kept(store)}:
        raise OperatorError(Exit.NOT_FOUND, f"No pack {arguments.pack} is here.", "edge-agent packs list names those.")
    try:
        with store.changing(patience_s=_PATIENCE_S):
            store.withdraw(arguments.pack)
            store.clear()
    except StoreBusyError as error:
        raise OperatorError(
            Exit.IN_USE, f"Another command changes the packs in {store.root}.", "Wait for its end."
        ) from error
    except OSError as error:
        raise OperatorError(
            Exit.UPDATE, f"{error.filename or store.root} can't be removed: {error.strerror}.", "Look at that disk."
        ) from error
    was_told = _tell_agent(settings)
    left = [one for one in _kept(store) if one.name == arguments.pack]
    if arguments.json:
        facts = {"pack": arguments.pack, "is_gone": not left, "still_used": [one.version for one in left]}
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return Exit.OK
    said = f"{arguments.pack} is removed."
    if left:
        said = f"No task gets {arguments.pack} any more. Something runs with it; it goes when that has ended."
    sys.stdout.write(said + ("\n" if was_told else f"\n{_LATER}\n"))
    return Exit.OK


@contextmanager
def _repository(settings: Settings, folder: str | None) -> Generator[Repository]:
    """Open the repository, with the newest metadata checked; nobody else works with it meanwhile."""
    versions = find_versions(settings)
    root = read_root(settings, versions)
    from leasehold_agent.link.downloads import Downloads
    from leasehold_agent.updating.copied import CopiedRepository
    from leasehold_agent.updating.obtaining import alone
    from leasehold_agent.updating.repository import Repository

    work = working_folder(settings, versions)
    source: CopiedRepository | Downloads
    if folder is not None:
        source = copy = CopiedRepository(Path(folder).absolute())
        url = copy.url
    else:
        url = find_repository(settings)
        source = Downloads(url, version=agent_version(), ca_file=settings.ca_file)
    with closing(source), alone(work):
        repository = Repository(url, root=root, kept=work / "metadata", source=source)
        repository.refresh()
        yield repository


def _tell_agent(settings: Settings) -> bool:
    """Let the running agent look which packs there are; tell whether none runs, or it did."""
    try:
        answer = give_order(settings.state_dir, "packs")
    except (OSError, ValueError):
        return False
    return answer is None or "error" not in answer


def _check_name(name: str) -> None:
    if NAME.fullmatch(name) is None:
        raise OperatorError(
            Exit.USAGE, f"{name!r} is no pack.", did_you_mean(name, {"python3.12": "", "python3.13": "", UV: ""})
        )


def _check_version(version: str | None, given: Pack | None) -> None:
    if version is not None and (given is not None or VERSION.fullmatch(version) is None):
        cause = f"{version!r} is no version." if given is None else "A file has its version in its name."
        raise OperatorError(Exit.USAGE, cause, "Write it like: edge-agent packs add python3.12 --version 3.12.4")


def _store(settings: Settings) -> PackStore:
    return PackStore(settings.state_dir / "packs")


def _kept(store: PackStore) -> list[KeptPack]:
    try:
        return list(store)
    except OSError as error:
        raise OperatorError(
            Exit.USAGE,
            f"{error.filename or store.root} can't be read: {error.strerror}.",
            "Run it as the agent's user.",
        ) from error


def _program(settings: Settings, pack: Pack) -> str:
    return str(_store(settings).versions(pack.name).tree(pack.version) / pack.starts)


def _find_uv(settings: Settings) -> str | None:
    named = None if settings.uv is None else str(settings.uv)
    return find_uv(named, search_path=os.environ.get("PATH", os.defpath), packs_dir=str(settings.state_dir / "packs"))


def _document(one: KeptPack) -> dict[str, object]:
    return {
        "pack": one.name,
        "version": one.version,
        "path": str(one.path),
        "mib": round(_size(one), 1),
        "is_offered": one.is_offered,
        "is_used": one.is_used,
    }


def _size(one: KeptPack) -> float:
    return tree_size(one.path) / _MIB


def _state(one: KeptPack) -> str:
    if not one.is_offered:
        return "goes when what runs with it has ended"
    return "in use" if one.is_used else "for tasks"


def _known(version: str, here: str | None, name: str) -> str:
    if here == version:
        return "is here"
    return f"edge-agent packs add {name}" + ("" if here is None else f"   ({here} is here)")
