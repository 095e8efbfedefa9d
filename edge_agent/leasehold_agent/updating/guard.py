"""The guard of a trial: the old version's code in a process of its own, for when the new one can't help itself.

A version that hangs, is killed or does not even start can't hand back. The guard sees the end of the process, or that
it is not ready in time, and starts the old version, unless a service manager does that.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from leasehold_agent.updating.proving import lead_back
from leasehold_agent.updating.trial import Trial, TrialFile

GRACE_S = 15.0
"""So long after its time a version that still turns has handed back by itself."""
_LOOK_S = 1.0
SUPERVISED, ALONE = "supervised", "alone"


def main(arguments: Sequence[str]) -> int:
    """Guard a trial: ``RECORD PID supervised|alone [ARGUMENT…]``; return when somebody watches.

    The arguments are those that the old version is started with.
    """
    record, number, manager, *run = arguments
    file = TrialFile(Path(record))
    trial = file.read()
    if trial is None:
        return 1
    process = os.pidfd_open(int(number))
    # Whoever starts the guard waits for this process, so that nothing is left of it there; the child watches.
    if os.fork():
        return 0
    try:
        found = watch(file, trial, process)
        if found is not None:
            _restore(file, found, run, is_supervised=manager == SUPERVISED)
    finally:
        os._exit(0)


def watch(file: TrialFile, trial: Trial, process: int) -> Trial | None:
    """Wait for the end of a trial; return it as given up when it is this guard who has to act."""
    deadline = time.monotonic() + trial.ready_s + GRACE_S
    poll = select.poll()
    poll.register(process, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        has_ended = bool(poll.poll(min(left, _LOOK_S) * 1000))
        now = file.read()
        if now is None or now.state != "trying" or now.pid != trial.pid:
            return None
        if has_ended:
            return now.given_up("it ended before it was ready")
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(process, signal.SIGKILL)
    poll.poll(GRACE_S * 1000)
    return trial.given_up(f"it was not ready after {trial.ready_s:.0f} s, and did not give up by itself")


def _restore(file: TrialFile, trial: Trial, run: Sequence[str], *, is_supervised: bool) -> None:
    with suppress(OSError):  # A full disk: the old version still has to be started.
        file.write(trial)
    lead_back(trial)
    if not is_supervised:
        sys.stderr.write(f"edge-agent: version {trial.version} is given up: {trial.why}\n")
        os.execv(trial.back, [trial.back, *run])  # noqa: S606 - a program of ours
