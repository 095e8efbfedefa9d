"""What an installation asks of this machine: the service's user, and systemd where it runs."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.installing.places import SERVICE, SERVICE_USER, SYSTEM_STATE, Scope

_PATIENCE_S = 60.0


def make_user(scope: Scope) -> None:
    """Make the user that the machine's service runs as, and its state directory; those that are there stay.

    Raises:
        OperatorError: they can't be made.
    """
    if scope == "user":
        return
    if os.geteuid() != 0:
        raise OperatorError(
            Exit.NOT_INSTALLED,
            "A service of the machine can only be defined by root.",
            "Type it with sudo, or install for yourself: --user. Without a service: --no-service.",
        )
    with suppress(KeyError):
        _make_state(pwd.getpwnam(SERVICE_USER))
        return
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", str(SYSTEM_STATE)]
    command += ["--shell", "/usr/sbin/nologin", SERVICE_USER]
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PATIENCE_S)
        _make_state(pwd.getpwnam(SERVICE_USER))
    except (OSError, subprocess.SubprocessError, KeyError) as problem:
        said = getattr(problem, "stderr", None) or problem
        raise OperatorError(
            Exit.NOT_INSTALLED,
            f"The user {SERVICE_USER} can't be made: {str(said).strip()}.",
            "Make it by other means and install again, or install for yourself: --user.",
        ) from problem


def reload(scope: Scope) -> bool:
    """Let systemd, if it runs here, read its units again; tell whether our service is active."""
    if not _systemctl(scope, "daemon-reload"):
        return False
    return _systemctl(scope, "is-active", "--quiet", SERVICE)


def stop(scope: Scope) -> None:
    """Stop our service, and start it no more; without systemd there is none."""
    _systemctl(scope, "disable", "--now", SERVICE)


def _systemctl(scope: Scope, *words: str) -> bool:
    program = shutil.which("systemctl")
    if program is None or not Path("/run/systemd/system").is_dir():
        return False
    whose = ["--user"] if scope == "user" else []
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run([program, *whose, *words], capture_output=True, check=False, timeout=_PATIENCE_S)
        return done.returncode == 0
    return False


def _make_state(user: pwd.struct_passwd) -> None:
    SYSTEM_STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chown(SYSTEM_STATE, user.pw_uid, user.pw_gid)
