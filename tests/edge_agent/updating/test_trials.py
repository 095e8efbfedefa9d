"""What becomes of a trial: the guard's view, the record after crashes, and what the agent does by itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.config import Settings
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.health.reasons import Name
from leasehold_agent.installing.versions import Versions
from leasehold_agent.settings_in_force import SettingsInForce
from leasehold_agent.updating import MARK, guard
from leasehold_agent.updating.place import StartedAs
from leasehold_agent.updating.proving import Proving, lead_back
from leasehold_agent.updating.succession import Succession
from leasehold_agent.updating.trial import Trial, TrialFile
from leasehold_agent.updating.watch import AskError, UpdateWatch
from tests.support.releases import make_tree

OLD, NEW = "1.0.0", "1.1.0"
STARTED_AS = StartedAs(arguments=("run",), environ={}, is_supervised=True)


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    versions = Versions(tmp_path / "prefix")
    for version in (OLD, NEW):
        versions.put_version(make_tree(tmp_path / version, version), version)
    versions.flip(OLD)
    return versions


@pytest.fixture
def file(tmp_path: Path) -> TrialFile:
    return TrialFile.of(tmp_path)


@pytest.fixture
def stays() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stays until it is ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def trial_of(versions: Versions, pid: int, *, ready_s: float = 60.0) -> Trial:
    return Trial(
        version=NEW,
        back_version=OLD,
        back=str(versions.tree(OLD) / "edge-agent"),
        prefix=str(versions.prefix),
        pid=pid,
        ready_s=ready_s,
        began=0.0,
    )


class TestGuard:
    def watched(self, file: TrialFile, trial: Trial) -> Trial | None:
        fd = os.pidfd_open(trial.pid)
        try:
            return guard.watch(file, trial, fd)
        finally:
            os.close(fd)

    def test_it_sees_that_the_process_has_ended(
        self, versions: Versions, file: TrialFile, stays: subprocess.Popen[bytes]
    ) -> None:
        trial = trial_of(versions, stays.pid)
        file.write(trial)
        ending = threading.Timer(0.1, stays.kill)
        ending.start()

        found = self.watched(file, trial)

        assert found is not None
        assert (found.state, found.why) == ("failed", "it ended before it was ready")

    def test_it_ends_a_process_that_hangs(
        self,
        versions: Versions,
        file: TrialFile,
        stays: subprocess.Popen[bytes],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(guard, "GRACE_S", 0.2)
        trial = trial_of(versions, stays.pid, ready_s=0.2)
        file.write(trial)

        found = self.watched(file, trial)

        assert found is not None
        assert "did not give up by itself" in (found.why or "")
        assert stays.wait(20) == -9

    @pytest.mark.parametrize("state", ["ready", "failed"])
    def test_it_has_nothing_to_do_once_the_trial_is_over(
        self, versions: Versions, file: TrialFile, stays: subprocess.Popen[bytes], state: Any
    ) -> None:
        trial = trial_of(versions, stays.pid)
        file.write(replace(trial, state=state))

        assert self.watched(file, trial) is None
        assert stays.poll() is None

    def test_it_leaves_alone_what_a_service_manager_started_meanwhile(
        self, versions: Versions, file: TrialFile, stays: subprocess.Popen[bytes]
    ) -> None:
        trial = trial_of(versions, stays.pid)
        file.write(replace(trial, pid=os.getpid()))

        assert self.watched(file, trial) is None


def succession(
    file: TrialFile, versions: Versions | None, *, version: str = OLD, proving: Proving | None = None
) -> Succession:
    async def leave() -> None: ...

    return Succession(file.path.parent, versions, version=version, started_as=STARTED_AS, proving=proving, leave=leave)


def test_a_crash_in_the_middle_counts_against_the_version_that_was_tried(versions: Versions, file: TrialFile) -> None:
    file.write(trial_of(versions, 1))

    succession(file, versions).recall()

    found = file.read()
    assert found is not None
    assert (found.state, found.why) == ("failed", "it ended before it was ready")


def test_a_crash_after_the_flip_does_not(versions: Versions, file: TrialFile) -> None:
    file.write(trial_of(versions, 1))

    succession(file, versions, version=NEW).recall()

    found = file.read()
    assert found is not None
    assert (found.state, found.why) == ("ready", None)


def test_a_flip_of_the_last_moment_is_taken_back(versions: Versions) -> None:
    versions.flip(NEW)

    lead_back(trial_of(versions, 1))

    assert versions.installed().current == OLD


@pytest.mark.parametrize(
    ("version", "is_connected", "code"),
    [
        (NEW, False, Exit.UNREACHABLE),
        (OLD, True, Exit.UPDATE),
        ("7.7", True, Exit.NOT_FOUND),
        ("../../bin", True, Exit.USAGE),
    ],
)
async def test_what_can_not_be_tried_changes_nothing(
    versions: Versions, file: TrialFile, version: str, is_connected: bool, code: Exit
) -> None:
    with pytest.raises(OperatorError) as caught:
        await succession(file, versions).begin(version, ready_s=1.0, is_connected=is_connected)

    assert caught.value.exit_code is code
    assert file.read() is None


async def test_an_agent_that_was_installed_otherwise_has_nothing_to_try(file: TrialFile) -> None:
    with pytest.raises(OperatorError) as caught:
        await succession(file, None).begin(NEW, ready_s=1.0, is_connected=True)

    assert caught.value.exit_code is Exit.UPDATE


async def test_while_one_version_is_tried_no_other_is(versions: Versions, file: TrialFile) -> None:
    proving = Proving(file, trial_of(versions, os.getpid()))

    with pytest.raises(OperatorError) as caught:
        await succession(file, versions, proving=proving).begin(NEW, ready_s=1.0, is_connected=True)

    assert caught.value.exit_code is Exit.IN_USE


def test_what_the_version_before_started_is_not_left_as_a_zombie(
    versions: Versions, file: TrialFile, stays: subprocess.Popen[bytes]
) -> None:
    taken_over = succession(file, versions, proving=Proving(file, trial_of(versions, os.getpid())))
    stays.kill()
    os.waitid(os.P_PID, stays.pid, os.WEXITED | os.WNOWAIT)

    taken_over.reap()

    with pytest.raises(ChildProcessError):
        os.waitpid(stays.pid, os.WNOHANG)


def test_only_the_process_that_was_meant_takes_over(versions: Versions, file: TrialFile) -> None:
    file.write(trial_of(versions, 1))
    environ = {MARK: str(file.path), "PATH": "/bin"}

    assert Proving.take_from(environ) is None
    assert environ == {"PATH": "/bin"}
    file.write(trial_of(versions, os.getpid()))
    assert Proving.take_from({MARK: str(file.path)}) is not None
    assert Proving.take_from({}) is None


async def test_current_follows_when_the_new_version_is_ready(versions: Versions, file: TrialFile) -> None:
    trial = trial_of(versions, os.getpid())
    ready = asyncio.Event()
    ready.set()

    await Proving(file, trial).prove(ready, asyncio.Event())

    assert versions.installed().current == NEW
    assert file.read() == replace(trial, state="ready")


async def test_a_link_that_can_not_be_changed_is_recorded_for_who_can(versions: Versions, file: TrialFile) -> None:
    trial = replace(trial_of(versions, os.getpid()), prefix=str(versions.prefix / "elsewhere"))
    ready = asyncio.Event()
    ready.set()

    await Proving(file, trial).prove(ready, asyncio.Event())

    found = file.read()
    assert found is not None
    assert found.state == "ready"
    assert "is not installed" in (found.why or "")


async def test_an_agent_that_is_told_to_stop_meanwhile_starts_nothing_again(
    versions: Versions, file: TrialFile
) -> None:
    told = asyncio.Event()
    told.set()

    await Proving(file, trial_of(versions, os.getpid())).prove(asyncio.Event(), told)

    found = file.read()
    assert found is not None
    assert (found.state, found.why) == ("failed", "it was told to stop before it was ready")
    assert versions.installed().current == OLD


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": "1"}', b"\xff", b"null"])
def test_a_record_that_can_not_be_read_is_none(file: TrialFile, content: bytes) -> None:
    file.path.write_bytes(content)

    assert file.read() is None


class Asked:
    """Answers instead of the command."""

    def __init__(self, *answers: dict[str, Any] | AskError) -> None:
        self.answers = list(answers)
        self.words: list[Sequence[str]] = []

    async def __call__(self, words: Sequence[str], patience_s: float) -> dict[str, Any]:
        self.words.append(words)
        answer = self.answers.pop(0)
        if isinstance(answer, AskError):
            raise answer
        return answer


def watch(
    tmp_path: Path,
    file: TrialFile,
    versions: Versions,
    asked: Asked,
    *,
    manager: str | None = None,
    **settings: Any,
) -> tuple[UpdateWatch, Roster]:
    roster = Roster(1)
    in_force = SettingsInForce(Settings(state_dir=tmp_path, **settings))
    watch = UpdateWatch(
        in_force,
        roster,
        succession(file, versions),
        version=OLD,
        ask=asked,
        is_connected=lambda: False,
        manager=manager,
    )
    return watch, roster


NEWER = {"wanted": True, "available": NEW}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (Asked(NEWER), f"update: version {NEW} is there (edge-agent update)"),
        (Asked({"wanted": False, "available": OLD}), None),
        (Asked(AskError(Exit.UNTRUSTED, "It is out of date")), "update: It is out of date"),
        (Asked(AskError(Exit.UNREACHABLE, "nothing answers")), None),
        (Asked(AskError(Exit.NOT_FOUND, "there is no repository")), None),
        (Asked(AskError(Exit.IN_USE, "another one")), None),
    ],
    ids=["newer", "the same", "not trusted", "unreachable", "none", "busy"],
)
async def test_what_the_repository_has_is_told_and_nothing_is_installed(
    tmp_path: Path, file: TrialFile, versions: Versions, asked: Asked, told: str | None
) -> None:
    watching, roster = watch(tmp_path, file, versions, asked)

    await watching.check(asked)
    await watching.look()

    assert [reason.text for reason in roster.reasons] == ([] if told is None else [told])
    assert roster.paused_because == []
    assert asked.words == [["--check"]]


async def test_a_package_is_left_to_its_manager_whatever_is_set(
    tmp_path: Path, file: TrialFile, versions: Versions
) -> None:
    asked = Asked(NEWER)
    watching, roster = watch(tmp_path, file, versions, asked, manager="apt", update="install")

    await watching.check(asked)
    await watching.look()

    assert [reason.text for reason in roster.reasons] == [f"update: version {NEW} is there (apt brings it)"]
    assert asked.words == [["--check"]]


async def test_it_is_installed_only_where_that_was_set_and_each_version_is_tried_once(
    tmp_path: Path, file: TrialFile, versions: Versions
) -> None:
    asked = Asked(NEWER, {}, NEWER)
    watching, roster = watch(tmp_path, file, versions, asked, update="install")

    await watching.check(asked)  # the agent of this test has no API, so the trial itself is put off
    await watching.look()
    first = [reason.text for reason in roster.reasons]
    file.write(trial_of(versions, 1).given_up("it hangs"))
    await watching.check(asked)
    await watching.look()

    assert asked.words == [["--check"], ["--no-start", "--to", NEW], ["--check"]]
    assert "The API can't be reached" in first[0]
    assert "it hangs" in roster.reasons[0].text


async def test_an_agent_that_was_told_to_end_does_not_begin_anew_as_another_version(
    tmp_path: Path, file: TrialFile, versions: Versions
) -> None:
    watching, roster = watch(tmp_path, file, versions, Asked())
    roster.pause(Name.DRAINING, "draining: the agent was told to stop")

    with pytest.raises(OperatorError, match="ends when its work is done"):
        await watching.begin_trial(NEW)

    assert file.read() is None


async def test_nothing_is_asked_where_updates_are_off(tmp_path: Path, file: TrialFile, versions: Versions) -> None:
    asked = Asked()
    watching, _ = watch(tmp_path, file, versions, asked, update="off")
    watching._next_at = 0.0

    await watching.look()

    assert asked.words == []
