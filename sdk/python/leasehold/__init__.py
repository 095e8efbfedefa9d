"""Write DAGs in Python and run them wherever the admin's sites are.

Everything an author needs is here; each name is imported when it is first used, so that a task starts in milliseconds.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from leasehold import errors, testing
    from leasehold.asset import Asset, AssetAlias
    from leasehold.authoring.asset_or_time import AssetOrTimeSchedule
    from leasehold.authoring.containers import container
    from leasehold.authoring.dags import dag
    from leasehold.authoring.graph import chain, cross_downstream
    from leasehold.authoring.groups import group
    from leasehold.authoring.programs import program, shell
    from leasehold.authoring.setups import setup, teardown
    from leasehold.authoring.sources import concat, zip_
    from leasehold.authoring.tasks import task
    from leasehold.errors import WaitTimedOut
    from leasehold.runtime import assets, log, metrics, runs, state, xcom
    from leasehold.runtime.connections import Connection
    from leasehold.runtime.context import Context, context
    from leasehold.runtime.endings import Fail, Reschedule, Retry, Skip
    from leasehold.runtime.files import File
    from leasehold.runtime.flow import skip_downstream
    from leasehold.runtime.identity import id_token
    from leasehold.runtime.outlets import outlet_events
    from leasehold.runtime.people import Answer, await_input
    from leasehold.runtime.signs import heartbeat, mask, set_label
    from leasehold.runtime.variables import Variable
    from leasehold.runtime.waiting import defer, reschedule

__all__ = [
    "Answer",
    "Asset",
    "AssetAlias",
    "AssetOrTimeSchedule",
    "Connection",
    "Context",
    "Fail",
    "File",
    "Reschedule",
    "Retry",
    "Skip",
    "Variable",
    "WaitTimedOut",
    "assets",
    "await_input",
    "chain",
    "concat",
    "container",
    "context",
    "cross_downstream",
    "dag",
    "defer",
    "errors",
    "group",
    "heartbeat",
    "id_token",
    "log",
    "mask",
    "metrics",
    "outlet_events",
    "program",
    "reschedule",
    "runs",
    "set_label",
    "setup",
    "shell",
    "skip_downstream",
    "state",
    "task",
    "teardown",
    "testing",
    "xcom",
    "zip_",
]

_MODULES = {
    "assets": "leasehold.runtime.assets",
    "errors": "leasehold.errors",
    "log": "leasehold.runtime.log",
    "metrics": "leasehold.runtime.metrics",
    "runs": "leasehold.runtime.runs",
    "testing": "leasehold.testing",
    "state": "leasehold.runtime.state",
    "xcom": "leasehold.runtime.xcom",
}

_HOMES = {
    "Answer": "leasehold.runtime.people",
    "Asset": "leasehold.asset",
    "AssetAlias": "leasehold.asset",
    "AssetOrTimeSchedule": "leasehold.authoring.asset_or_time",
    "Connection": "leasehold.runtime.connections",
    "Context": "leasehold.runtime.context",
    "Fail": "leasehold.runtime.endings",
    "Reschedule": "leasehold.runtime.endings",
    "File": "leasehold.runtime.files",
    "Retry": "leasehold.runtime.endings",
    "Skip": "leasehold.runtime.endings",
    "Variable": "leasehold.runtime.variables",
    "WaitTimedOut": "leasehold.errors",
    "await_input": "leasehold.runtime.people",
    "chain": "leasehold.authoring.graph",
    "concat": "leasehold.authoring.sources",
    "container": "leasehold.authoring.containers",
    "context": "leasehold.runtime.context",
    "cross_downstream": "leasehold.authoring.graph",
    "dag": "leasehold.authoring.dags",
    "defer": "leasehold.runtime.waiting",
    "group": "leasehold.authoring.groups",
    "heartbeat": "leasehold.runtime.signs",
    "id_token": "leasehold.runtime.identity",
    "mask": "leasehold.runtime.signs",
    "outlet_events": "leasehold.runtime.outlets",
    "program": "leasehold.authoring.programs",
    "set_label": "leasehold.runtime.signs",
    "reschedule": "leasehold.runtime.waiting",
    "setup": "leasehold.authoring.setups",
    "shell": "leasehold.authoring.programs",
    "skip_downstream": "leasehold.runtime.flow",
    "task": "leasehold.authoring.tasks",
    "teardown": "leasehold.authoring.setups",
    "zip_": "leasehold.authoring.sources",
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
