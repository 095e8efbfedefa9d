"""``edge-agent update``: a newer version from a signed repository, tried by the running agent, kept if it works."""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import Namespace
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leasehold_agent.commands.settings import settings_from
from leasehold_agent.config import Settings
from leasehold_agent.control import give_order
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.installing.versions import VersionRefusedError, Versions
from leasehold_agent.packs.machine import platform_name
from leasehold_agent.status import ask_running_agent
from leasehold_agent.updating.choosing import Offer, checked_version, is_wanted
from leasehold_agent.updating.place import find_repository, find_versions, managed_by, read_root, working_folder
from leasehold_agent.updating.trial import Trial, TrialFile
from leasehold_agent.version import agent_version

if TYPE_CHECKING:
    from leasehold_agent.updating.repository import Repository

_LOOK_S = 0.2
_GRACE_S = 30.0
_PACKAGE_CURES = {
    "apt": "Type sudo apt install --only-upgrade edge-agent, or sudo dpkg --install FILE.",
    "dnf": "Type sudo dnf upgrade edge-agent, or sudo rpm --upgrade FILE.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Here:
    """What there is before the update."""

    settings: Settings
    versions: Versions | None
    running: str | None
    """The version of the agent that runs on the state directory; none when none does."""
    current: str
    """The version that there is an update of."""


def run(arguments: Namespace) -> Exit:
    """Look, bring, try, and say how it went."""
    here = _look_around(settings_from(arguments).settings)
    if not arguments.check:
        _leave_to_its_package(here.versions)
    repository_url = find_repository(here.settings)
    from leasehold_agent.link.downloads import Downloads
    from leasehold_agent.updating.obtaining import alone, obtain
    from leasehold_agent.updating.repository import Repository

    folder = working_folder(here.settings, here.versions)
    root = read_root(here.settings, here.versions)
    with (
        alone(folder),
        closing(Downloads(repository_url, version=agent_version(), ca_file=here.settings.ca_file)) as source,
    ):
        repository = Repository(repository_url, root=root, kept=folder / "metadata", source=source)
        repository.refresh()
        offer = _offer(repository, here.settings, arguments.to)
        facts = {"running": here.running, "current": here.current, "available": offer.version}
        wanted = is_wanted(offer, here.current)
        if arguments.check:
            repository.download(offer.version, platform_name(), None)
        if arguments.check or not wanted:
            return _say(arguments, facts | {"wanted": wanted, "state": "looked"}, _found(here, offer, wanted=wanted))
        versions = _ours_to_change(here.versions)
        keep = {versions.installed().current, here.running, offer.version}
        obtain(repository, versions, offer.version, folder=folder, keep=keep)
    if arguments.no_start:
        placed = f"Version {offer.version} is installed beside {here.current}; edge-agent update begins to use it."
        return _say(arguments, facts | {"wanted": wanted, "state": "placed"}, placed)
    if here.running is None:
        said = _take_without_trial(versions, here, offer)
        return _say(arguments, facts | {"wanted": wanted, "state": "current"}, said)
    said = _let_try(versions, here, offer)
    return _say(arguments, facts | {"wanted": wanted, "state": "ready"}, said)


def _look_around(settings: Settings) -> _Here:
    versions = find_versions(settings)
    status = ask_running_agent(settings.state_dir)
    running = status.version if status is not None else None
    linked = versions.installed().current if versions is not None else None
    return _Here(settings=settings, versions=versions, running=running, current=running or linked or agent_version())


def _offer(repository: Repository, settings: Settings, asked: str | None) -> Offer:
    if asked is not None:
        return Offer(version=checked_version(asked), because="asked for", is_named=True)
    if settings.update_version is not None:
        return Offer(version=settings.update_version, because="pinned by update_version", is_named=True)
    channel = settings.update_channel
    return Offer(version=repository.newest(channel), because=f"channel {channel}", is_named=False)


def _found(here: _Here, offer: Offer, *, wanted: bool) -> str:
    if wanted:
        return f"Version {offer.version} is there ({offer.because}); this agent has {here.current}.\n" + (
            "Install it: edge-agent update" if offer.because != "asked for" else "Install it with the same --to."
        )
    if offer.version == here.current:
        return f"Version {here.current} is what there is ({offer.because}). There is nothing to do."
    return (
        f"This agent has {here.current}; the newest is {offer.version} ({offer.because}). There is nothing to do.\n"
        f"To go back all the same: edge-agent update --to {offer.version}"
    )


def _leave_to_its_package(versions: Versions | None) -> None:
    if (manager := managed_by(versions)) is not None:
        raise OperatorError(
            Exit.UPDATE,
            f"This agent came as a package: {manager} brings newer versions here, and would not know of another.",
            _PACKAGE_CURES.get(manager, f"Update it with {manager}.") + " Running tasks go on.",
        )


def _ours_to_change(versions: Versions | None) -> Versions:
    if versions is None:
        raise OperatorError(
            Exit.UPDATE,
            "This agent was not installed as versions side by side, so there is nowhere to put another.",
            "Update it the way it came (pip, apt, dnf), or name the directory: update_prefix.",
        )
    if not os.access(versions.prefix, os.W_OK):
        raise OperatorError(
            Exit.UPDATE,
            f"{versions.prefix} belongs to somebody else, so no version can be put there.",
            f"Run edge-agent update as the owner of {versions.prefix} (sudo, where it belongs to root).",
        )
    return versions


def _take_without_trial(versions: Versions, here: _Here, offer: Offer) -> str:
    _flip(versions, offer.version)
    return (
        f"Version {offer.version} is current. It was not tried, because no agent runs on {here.settings.state_dir}.\n"
        f"Should it not work: edge-agent update --to {here.current}"
    )


def _let_try(versions: Versions, here: _Here, offer: Offer) -> str:
    """Have the running agent give way to the new version, and wait how that ends."""
    if here.running == offer.version:
        _flip(versions, offer.version)
        return f"Version {offer.version} runs, and is current."
    state_dir = here.settings.state_dir
    try:
        answer = give_order(state_dir, "update", version=offer.version)
    except (OSError, ValueError) as error:
        raise _not_tried(offer.version, f"the running agent did not answer: {error}") from error
    if answer is None or "error" in answer:
        raise _not_tried(offer.version, str(answer["error"]) if answer else "the agent has ended meanwhile")
    trial = _outcome(TrialFile.of(state_dir), answer)
    if trial.state == "failed":
        raise OperatorError(
            Exit.UPDATE,
            f"Version {offer.version} was tried and given up: {(trial.why or 'no reason is known').rstrip('.')}.",
            f"Version {trial.back_version} runs again; nothing was lost. Tell the publisher.",
        )
    if trial.why is not None:
        _flip(versions, offer.version)
    return f"Version {offer.version} runs; it took over from {trial.back_version}. What ran goes on."


def _outcome(file: TrialFile, answer: dict[str, Any]) -> Trial:
    """Return the trial when it is over. The guard, too, is bounded, so this is."""
    deadline = time.monotonic() + float(answer["ready_s"]) + _GRACE_S
    while time.monotonic() < deadline:
        trial = file.read()
        if trial is not None and trial.version == answer["version"] and trial.state != "trying":
            return trial
        time.sleep(_LOOK_S)
    raise OperatorError(
        Exit.UPDATE,
        f"It is not known yet whether version {answer['version']} works.",
        "edge-agent status shows which version runs, and the agent's log why.",
    )


def _flip(versions: Versions, version: str) -> None:
    try:
        versions.flip(version)
    except (OSError, VersionRefusedError) as error:
        raise OperatorError(
            Exit.UPDATE,
            f"{versions.link} can't lead to version {version}: {error}.",
            f"Run edge-agent update --to {version} as the owner of {versions.prefix}.",
        ) from error


def _not_tried(version: str, why: str) -> OperatorError:
    return OperatorError(
        Exit.UPDATE, f"Version {version} is installed, but was not tried: {why.rstrip('.')}.", "What ran still runs."
    )


def _say(arguments: Namespace, facts: dict[str, Any], words: str) -> Exit:
    sys.stdout.write((json.dumps(facts, indent=2) if arguments.json else words) + "\n")
    return Exit.OK
