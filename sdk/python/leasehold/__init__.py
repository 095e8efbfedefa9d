"""Write DAGs in Python and run them wherever the admin's sites are.

Everything an author needs is here; each name is imported when it is first used, so that a task starts in milliseconds.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from leasehold import errors
    from leasehold.authoring.dags import dag
    from leasehold.authoring.graph import chain
    from leasehold.authoring.programs import program, shell
    from leasehold.authoring.tasks import task
    from leasehold.runtime import log, metrics, xcom
    from leasehold.runtime.connections import Connection
    from leasehold.runtime.context import Context, context
    from leasehold.runtime.endings import Fail, Retry, Skip
    from leasehold.runtime.files import File
    from leasehold.runtime.identity import id_token
    from leasehold.runtime.signs import heartbeat, mask
    from leasehold.runtime.variables import Variable

__all__ = [
    "Connection",
    "Context",
    "Fail",
    "File",
    "Retry",
    "Skip",
    "Variable",
    "chain",
    "context",
    "dag",
    "errors",
    "heartbeat",
    "id_token",
    "log",
    "mask",
    "metrics",
    "program",
    "shell",
    "task",
    "xcom",
]

_MODULES = {
    "errors": "leasehold.errors",
    "log": "leasehold.runtime.log",
    "metrics": "leasehold.runtime.metrics",
    "xcom": "leasehold.runtime.xcom",
}

_HOMES = {
    "Connection": "leasehold.runtime.connections",
    "Context": "leasehold.runtime.context",
    "Fail": "leasehold.runtime.endings",
    "File": "leasehold.runtime.files",
    "Retry": "leasehold.runtime.endings",
    "Skip": "leasehold.runtime.endings",
    "Variable": "leasehold.runtime.variables",
    "chain": "leasehold.authoring.graph",
    "context": "leasehold.runtime.context",
    "dag": "leasehold.authoring.dags",
    "heartbeat": "leasehold.runtime.signs",
    "id_token": "leasehold.runtime.identity",
    "mask": "leasehold.runtime.signs",
    "program": "leasehold.authoring.programs",
    "shell": "leasehold.authoring.programs",
    "task": "leasehold.authoring.tasks",
}


def __getattr__(name: str) -> object:
    # With a list of names __import__ returns the module itself: importlib would be paid at every task's start.
    value: object
    if name in _MODULES:
        value = __import__(_MODULES[name], fromlist=[name])
    elif name in _HOMES:
        value = getattr(__import__(_HOMES[name], fromlist=[name]), name)
    else:
        raise AttributeError(f"module 'leasehold' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
