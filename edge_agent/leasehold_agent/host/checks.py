"""What a task and the agent send to a host, checked: by the rules it shares with hosts in tests, and its own."""

from __future__ import annotations

from typing import cast

from leasehold.runtime.rules.checks import MOST_SECONDS as MOST_SECONDS
from leasehold.runtime.rules.checks import NAME as NAME
from leasehold.runtime.rules.checks import Object as Object
from leasehold.runtime.rules.checks import as_object as as_object
from leasehold.runtime.rules.checks import at as at
from leasehold.runtime.rules.checks import between as between
from leasehold.runtime.rules.checks import finite as finite
from leasehold.runtime.rules.checks import json_object as json_object
from leasehold.runtime.rules.checks import json_text as json_text
from leasehold.runtime.rules.checks import json_value as json_value
from leasehold.runtime.rules.checks import key as key
from leasehold.runtime.rules.checks import maybe_text as maybe_text
from leasehold.runtime.rules.checks import shown as shown
from leasehold.runtime.rules.checks import texts as texts
from leasehold.runtime.rules.refusals import RefusedRequestError
from leasehold.runtime.rules.refusals import invalid as invalid
from leasehold_agent.host.version import OLDEST_TASK_PROTOCOL, TASK_PROTOCOL


def task_protocol(header: str | None) -> None:
    """Check that this host speaks the version of the task protocol that a binding needs.

    Raises:
        RefusedRequestError: 426, if it does not.
    """
    if header is None or header == str(TASK_PROTOCOL):
        return
    spoken = f"this agent speaks version {TASK_PROTOCOL} of the task protocol"
    if not (header.isascii() and header.isdigit() and len(header) < 6):
        raise invalid(f"Leasehold-Task-Protocol must be a whole number, not {shown(header)}: {spoken}")
    if int(header) > TASK_PROTOCOL:
        cure = "update the agent of this site, or use an older SDK in the task"
        raise RefusedRequestError(426, "version_unsupported", f"{spoken}, the task's SDK needs {header}: {cure}")
    if int(header) < OLDEST_TASK_PROTOCOL:
        cure = "use a newer SDK in the task"
        raise RefusedRequestError(426, "version_unsupported", f"{spoken}, the task's SDK needs {header}: {cure}")


def seconds(value: object, default: float) -> float:
    """Return a duration of a control message; ``default`` when it is none."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST_SECONDS
    return float(cast("float", value)) if fits else default


def words(value: object) -> str | None:
    """Return a text of a control message; None when it is none."""
    return value if isinstance(value, str) else None
