"""Root types a command for an agent that is a service of another user: then that user does it."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from pathlib import Path


def become_owner(state_dir: Path) -> None:
    """As root, become the owner of a state directory that is there; else change nothing. There is no way back."""
    if os.geteuid() != 0:
        return
    with suppress(OSError, KeyError):
        owner = state_dir.stat().st_uid
        if owner == 0:
            return
        user = pwd.getpwuid(owner)
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        os.environ.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)
        os.environ.pop("XDG_RUNTIME_DIR", None)
