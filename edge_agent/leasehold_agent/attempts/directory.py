"""An attempt directory as the agent sees it (docs/reference/attempt-directory.md): made from a lease, then read."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from leasehold_agent.durable import sync_directory, write_durably
from leasehold_agent.environments.rules import EnvironmentRules
from leasehold_agent.fault_points import reach
from leasehold_protocol.v1.agents import AttemptState
from leasehold_protocol.v1.leases import Ending, Lease, parse_attempt_id

_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}")


class UnsafeAttemptIdError(ValueError):
    """An attempt id that can't be a directory's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a lease does not say and its host needs to know."""

    bundles_dir: Path
    sdk_dir: Path
    python: Path
    environments: EnvironmentRules | None = None
    sdk_js: Path | None = None
    edge_agent: Path | None = None
    containers: Callable[[], dict[str, object] | None] = lambda: None
    """How containers run here at the moment; None: they don't."""


@dataclass(frozen=True, slots=True)
class AttemptDirectory:
    """One directory under ``<state>/attempts``. Its files are the only truth about the attempt."""

    path: Path

    @property
    def attempt(self) -> str:
        """The attempt's id."""
        return self.path.name

    @property
    def host_socket(self) -> Path:
        """Where the host listens for the agent."""
        return self.path / "host.sock"

    @property
    def log(self) -> Path:
        """The log, masked."""
        return self.path / "output.log"

    def create(
        self,
        lease: Lease,
        around: Surroundings,
        *,
        received_at: datetime,
        deadline_boottime_s: float,
        limits: Mapping[str, object] | None = None,
    ) -> None:
        """Make the directory and write ``lease.json``, durably: from here on a crash is noticed as a loss.

        Raises:
            FileExistsError: the attempt is here already.
            OSError: the disk refuses.
        """
        self.path.mkdir(mode=0o700)
        reach("agent.directory.made.before-lease")
        secret = {"task_token", "task_token_expires_in_s", "given"}
        document = lease.model_dump(mode="json", exclude=secret, by_alias=True)
        document |= {
            "received_at": received_at.isoformat(),
            "deadline_boottime_s": deadline_boottime_s,
            "bundle_dir": str(around.bundles_dir / lease.bundle) if lease.bundle else None,
            "runtime": {
                "name": lease.task.needs.runtime,
                "python": str(around.python),
                "sdk_path": str(around.sdk_dir),
                "sdk_js": around.sdk_js and str(around.sdk_js),
                "edge_agent": around.edge_agent and str(around.edge_agent),
            }
            | ({} if around.environments is None else {"environments": around.environments.as_fields()})
            | ({} if (containers := around.containers()) is None else {"containers": containers}),
            "limits": dict(limits or {}),
        }
        write_durably(self.path / "lease.json", json.dumps(document, ensure_ascii=False).encode())
        sync_directory(self.path.parent)

    def state(self) -> AttemptState:
        """Return running, ended or lost: by the lock and the ending, never by a pid."""
        # The lock first: a host writes its ending before it lets go of the lock.
        if self.is_held():
            return AttemptState.RUNNING
        return AttemptState.ENDED if self.has_ended() else AttemptState.LOST

    def is_held(self) -> bool:
        """A host is alive in it."""
        try:
            fd = os.open(self.path / "host.lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(fd)

    def has_ended(self) -> bool:
        """There is an ending, readable or not."""
        return (self.path / "ending.json").exists()

    def lease_facts(self) -> dict[str, object]:
        """Return what ``lease.json`` says; empty when it is not there (the power went while it was made)."""
        try:
            facts = json.loads((self.path / "lease.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def title(self) -> str:
        """Return ``dag.task``, for people."""
        facts = self.lease_facts()
        run, task = facts.get("run"), facts.get("task")
        parts = (run.get("dag") if isinstance(run, dict) else None, task.get("id") if isinstance(task, dict) else None)
        return ".".join(str(part) for part in parts if part)

    def ending(self) -> Ending | None:
        """Return how the attempt ended, when it did."""
        try:
            return Ending.model_validate_json((self.path / "ending.json").read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            return None

    @contextmanager
    def seized(self) -> Generator[bool, None, None]:
        """Hold ``host.lock`` in the host's place, unless a host is alive; tells which.

        Meanwhile no host can begin: a zygote that was asked by an agent since dead may get to it any time.
        """
        fd = os.open(self.path / "host.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(fd)

    def write_ending(self, ending: Ending) -> None:
        """Write the ending of an attempt whose host did not, once; the directory must be ``seized``."""
        if not self.has_ended():
            write_durably(self.path / "ending.json", ending.model_dump_json().encode())

    def remove(self) -> None:
        """Remove everything: renamed first, so that a crash leaves no half directory that looks like a loss."""
        doomed = self.path.with_name(f".gone-{self.attempt}")
        shutil.rmtree(doomed, ignore_errors=True)
        reach("agent.directory.before-removal")
        self.path.rename(doomed)
        reach("agent.directory.renamed.before-removal")
        shutil.rmtree(doomed, ignore_errors=True)


class AttemptDirectories:
    """``<state>/attempts``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        """Make the folder, and clear away what a crash left of removed directories."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for rest in self.root.glob(".gone-*"):
            shutil.rmtree(rest, ignore_errors=True)

    def of(self, attempt: str) -> AttemptDirectory:
        """Return the directory of an attempt, there or not.

        Raises:
            UnsafeAttemptIdError: the id can't be a file name.
        """
        if not _SAFE_NAME.fullmatch(attempt):
            raise UnsafeAttemptIdError(attempt)
        return AttemptDirectory(self.root / attempt)

    def __iter__(self) -> Iterator[AttemptDirectory]:
        """Yield every attempt directory, oldest first. Other things in the folder are left alone."""
        try:
            entries = [entry for entry in os.scandir(self.root) if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return
        for entry in sorted(entries, key=lambda entry: (entry.stat().st_mtime, entry.name)):
            if _is_attempt(entry.name):
                yield AttemptDirectory(Path(entry.path))


def _is_attempt(name: str) -> bool:
    try:
        parse_attempt_id(name)
    except ValueError:
        return False
    return bool(_SAFE_NAME.fullmatch(name))
