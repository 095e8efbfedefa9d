"""A run with the reason of everything in it that waits, asked of the API in one more request."""

from __future__ import annotations

from leasehold.cli.api import Api
from leasehold.cli.errors import CliError
from leasehold_protocol.v1.runs import RunDetail, TaskInstance, TaskState
from leasehold_protocol.v1.why import WhyRun

_TIMED = {TaskState.UP_FOR_RETRY, TaskState.UP_FOR_RESCHEDULE, TaskState.DEFERRED}
"""Their reason and their time are in the run already, and shown as they count down."""


async def with_reasons(api: Api, run: RunDetail) -> RunDetail:
    """Return the run with why each task waits; as it is, where nothing does or the API is too old to say."""
    if not any(_waits(task) for task in run.tasks):
        return run
    try:
        told = await api.get(api.of_team("runs", run.run, "why"), WhyRun)
    except CliError:
        return run
    summaries = {each.task_instance: each.summary for each in told.items}
    tasks = [
        task.model_copy(update={"reason": summaries.get(task.task_instance, task.reason)}) if _waits(task) else task
        for task in run.tasks
    ]
    return run.model_copy(update={"tasks": tasks})


def _waits(task: TaskInstance) -> bool:
    return not task.state.is_final and task.state is not TaskState.RUNNING and task.state not in _TIMED
