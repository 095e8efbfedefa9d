"""The policy in force: read again when its file changes, and nothing allowed while it can't be read."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leasehold_agent.policy.model import Policy

DEFAULT_FILE = Path("/etc/leasehold/policy.toml")
_Signature = tuple[int, ...] | None
logger = logging.getLogger(__name__)


class PolicyFile:
    """Keeps the policy of one file, and of the files that it names.

    Args:
        named: the file that the settings name, which must be there; none: the default one, when it is there.
        default: the default file.

    Attributes:
        policy: what is in force; none when there is no policy, or none that can be used.
        fingerprint: of what is in force.
        problem: why nothing may run; none when the policy, or that there is none, is clear.
    """

    def __init__(self, named: Path | None, *, default: Path = DEFAULT_FILE) -> None:
        self.path = named or default
        self.policy: Policy | None = None
        self.fingerprint: str | None = None
        self.problem: str | None = None
        self._is_required = named is not None
        self._also: tuple[Path, ...] = ()
        self._read: tuple[_Signature, ...] = ()
        self._seen: tuple[_Signature, ...] = ()
        self.reload()

    @property
    def is_wanted(self) -> bool:
        """A policy was named, or was found where policies are: without one nothing runs any more."""
        return self._is_required

    def reload(self) -> None:
        """Read the file now."""
        # Before it is read: what changes in between is seen at the next look.
        looked = {path: _signature(path) for path in (self.path, *self._also)}
        self._read = self._seen = tuple(looked.values())
        if looked[self.path] is None and not self._is_required:
            return
        # From here on it may not vanish: taking a policy away must not open the site.
        self._is_required = True
        from leasehold_agent.policy.reading import fingerprint, read_policy

        found = read_policy(self.path)
        self._also = found.also
        # A file that was not looked at before it was read is read once more, at the next look but one.
        self._read = self._seen = (looked[self.path], *(looked.get(path) for path in self._also))
        self.policy = found.policy
        self.fingerprint = None if found.policy is None else fingerprint(found.policy)
        self.problem = None
        if found.policy is None:
            first, *others = found.mistakes
            more = f" (and {len(others)} more: edge-agent policy check)" if others else ""
            self.problem = f"{self.path} {first}{more}"
            logger.error("the site's policy can't be used: nothing may run", extra={"cause": self.problem})
        else:
            logger.info("the site's policy is in force", extra={"fingerprint": self.fingerprint})
        for doubt in found.doubts:
            logger.warning("the site's policy", extra={"doubt": doubt})

    def look(self) -> bool:
        """Read the file again when it changed, and say whether it was read.

        A change counts once the file looks the same in two looks: who writes it in place may be in the middle of it.
        """
        now = tuple(_signature(path) for path in (self.path, *self._also))
        if now == self._read:
            self._seen = now
            return False
        if now != self._seen:
            self._seen = now
            return False
        self.reload()
        return True


def _signature(path: Path) -> _Signature:
    """Return what changes with the file: its content, its owner or who may write it; none when it is not there."""
    try:
        facts = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return (error.errno or 0,)
    return (facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_mode, facts.st_uid)
